#include "cpcc_tile4x2_apart.h"

#include "cpcc_tile4x2_asm.h"

#if CPCC_DSP
#define LABEL(name) ".global cpcc_tile4x2_apart_" name "\ncpcc_tile4x2_apart_" name ":\n"
#define TFLITE(round)                                                                                    \
  " str lr, [r12, #28]\n ldr lr, [r12, #24]\n add.w lr, lr, #8\n" CPCC_TILE_UNMIX("7") CPCC_TILE_TWICE  \
  CPCC_TILE_CHANNEL(round, "r0", "r4") CPCC_TILE_CHANNEL(round, "r2", "r6")                               \
  CPCC_TILE_CHANNEL(round, "r1", "r5") CPCC_TILE_CHANNEL(round, "r3", "r7")                               \
  " str lr, [r12, #24]\n ldr lr, [r12, #28]\n"

/* The unrolled steps are those of cpcc_tile4x2.c; what comes before and behind them is here. */
__asm__(
    ".syntax unified\n.section .text.cpcc_tile4x2_apart, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_tile4x2_apart_channels\n.type cpcc_tile4x2_apart_channels, %function\n.thumb_func\n"
    "cpcc_tile4x2_apart_channels:\n"
    " push {r0-r11, lr}\n ldrd r12, lr, [r3, #4]\n ldr r4, [r3, #12]\n ldr r5, [r3, #20]\n str r5, [r3, #24]\n push {r4}\n"
    "1: ldr r10, [sp, #16]\n ldr r11, [r10, #24]\n ldrd r0, r1, [r11]\n " CPCC_TILE_LOAD
    CPCC_TILE_STEP("r0", "r1", "r0", "r1", "r0", "r1") "ldr pc, [r12, #-12]\n"
    LABEL("tflite") TFLITE(CPCC_TILE_ROUND) " b.w 3f\n"
    LABEL("relu") TFLITE(CPCC_TILE_RELU) " b.w 3f\n"
    LABEL("once")
    " ldr r11, [r12, #24]\n subs r2, r2, r0\n subs r3, r3, r1\n subs r6, r6, r4\n subs r7, r7, r5\n"
    " ldrd r8, r9, [r11, #8]\n add r2, r8, r2, asr #8\n add r6, r8, r6, asr #8\n add r3, r9, r3, asr #8\n"
    " add r7, r9, r7, asr #8\n ldr r10, [r12]\n ldrd r8, r9, [r11, #16]\n"
    " smmlar r0, r0, r8, r10\n smmlar r4, r4, r8, r10\n smmlar r2, r2, r9, r10\n smmlar r6, r6, r9, r10\n"
    " ldrd r8, r9, [r11, #24]\n"
    " smmlar r1, r1, r8, r10\n smmlar r5, r5, r8, r10\n smmlar r3, r3, r9, r10\n smmlar r7, r7, r9, r10\n"
    " adds r11, #32\n str r11, [r12, #24]\n"
    "3: ldr r12, [r12, #4]\n" CPCC_TILE_STORED
    ".size cpcc_tile4x2_apart_channels, . - cpcc_tile4x2_apart_channels\n.text\n");
#else
/* Four channels of one pixel; `x` has its words two apart. */
static void four_channels(const cpcc_tile4x2_apart_t *tile, const int32_t *stream, const int32_t *constants, const uint32_t *x,
                          int8_t *y) {
  const int32_t rounding = tile->rounding;
  int32_t a[2] = {constants[0], constants[1]}, mixed[2];
  (void)cpcc_two_pairs(stream, x, tile->steps, a, mixed);
  const int32_t acc[4] = {cpcc_row_a(rounding, a[0]), cpcc_row_b(rounding, constants[2], mixed[0], a[0]),
                          cpcc_row_a(rounding, a[1]), cpcc_row_b(rounding, constants[3], mixed[1], a[1])};
  for (int32_t i = 0; i < 4; i++) {
    y[i] = cpcc_round(rounding, constants + 4 + i * cpcc_channel_words(rounding), tile->zero_point, acc[i]);
  }
}

void cpcc_tile4x2_apart(const cpcc_tile4x2_apart_t *tile, int8_t *y0, int8_t *y1, int32_t channels) {
  const int32_t *stream = tile->stream, *constants = tile->constants;
  for (int32_t i = 0; i < channels; i += 4, stream += 2 * tile->steps) {
    four_channels(tile, stream, constants, tile->x, y0 + i);
    four_channels(tile, stream, constants, tile->x + 1, y1 + i);
    constants += cpcc_tile4x2_apart_constants(tile);
  }
}
#endif
