#include "cpcc_tile4x2.h"

#include "cpcc_tile4x2_asm.h"

#if CPCC_DSP
/* Assembly, because both compilers spill here; one body for every layer: each enters it where its steps are a whole number of
 * bodies from the end. */
#define TWICE CPCC_TILE_TWICE " ldr r12, [r12, #4]\n"
#define LABEL(name) ".global cpcc_tile4x2_" name "\ncpcc_tile4x2_" name ":\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_tile4x2, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_tile4x2_channels\n.type cpcc_tile4x2_channels, %function\n.thumb_func\n"
    "cpcc_tile4x2_channels:\n"
    " push {r0-r11, lr}\n ldrd r12, lr, [r3, #4]\n ldr r4, [r3, #12]\n push {r4}\n"
    "1: ldrd r0, r1, [lr], #8\n " CPCC_TILE_LOAD CPCC_TILE_STEP("r0", "r1", "r0", "r1", "r0", "r1")
    "ldr pc, [r12, #-12]\n"
    "2:\n .rept 32\n " CPCC_TILE_LOAD CPCC_TILE_STEP("r2", "r3", "r6", "r7", "r4", "r5") "\n .endr\n"
    LABEL("end")
    " ldr pc, [sp]\n"
    LABEL("again")
    " ldr r8, [sp, #16]\n cmp r12, r8\n bne.w 2b\n ldr pc, [r12, #16]\n"
    LABEL("tflite")
    CPCC_TILE_UNMIX("7") TWICE
    CPCC_TILE_CHANNEL(CPCC_TILE_ROUND, "r0", "r4") CPCC_TILE_CHANNEL(CPCC_TILE_ROUND, "r2", "r6") CPCC_TILE_CHANNEL(CPCC_TILE_ROUND, "r1", "r5") CPCC_TILE_CHANNEL(CPCC_TILE_ROUND, "r3", "r7")
    " b.w 3f\n"
    LABEL("tflite_relu")
    CPCC_TILE_UNMIX("7") TWICE
    CPCC_TILE_CHANNEL(CPCC_TILE_RELU, "r0", "r4") CPCC_TILE_CHANNEL(CPCC_TILE_RELU, "r2", "r6") CPCC_TILE_CHANNEL(CPCC_TILE_RELU, "r1", "r5")
    CPCC_TILE_CHANNEL(CPCC_TILE_RELU, "r3", "r7")
    " b.w 3f\n"
    LABEL("once")
    CPCC_TILE_UNMIX("8")
    " ldrd r10, r12, [r12]\n ldrd r8, r9, [lr], #8\n"
    " smmlar r0, r0, r8, r10\n smmlar r4, r4, r8, r10\n smmlar r2, r2, r9, r10\n smmlar r6, r6, r9, r10\n"
    " ldrd r8, r9, [lr], #8\n"
    " smmlar r1, r1, r8, r10\n smmlar r5, r5, r8, r10\n smmlar r3, r3, r9, r10\n smmlar r7, r7, r9, r10\n"
    "3:" CPCC_TILE_STORED
    ".size cpcc_tile4x2_channels, . - cpcc_tile4x2_channels\n.text\n");
#else
/* Four channels of one pixel; `x` has its words two apart. */
static const int32_t *four_channels(const cpcc_tile4x2_t *tile, const int32_t *stream, const uint32_t *x, int8_t *y) {
  const int32_t rounding = tile->rounding;
  int32_t a[2] = {stream[0], stream[1]}, mixed[2];
  stream = cpcc_two_pairs(stream + 2, x, tile->steps, a, mixed);
  const int32_t acc[4] = {cpcc_row_a(rounding, a[0]), cpcc_row_b(rounding, stream[0], mixed[0], a[0]),
                          cpcc_row_a(rounding, a[1]), cpcc_row_b(rounding, stream[1], mixed[1], a[1])};
  stream += 2;
  for (int32_t i = 0; i < 4; i++, stream += cpcc_channel_words(rounding)) {
    y[i] = cpcc_round(rounding, stream, tile->zero_point, acc[i]);
  }
  return stream;
}

void cpcc_tile4x2(const cpcc_tile4x2_t *tile, int8_t *y0, int8_t *y1, int32_t channels) {
  const int32_t *stream = tile->stream;
  for (int32_t i = 0; i < channels; i += 4) {
    (void)four_channels(tile, stream, tile->x, y0 + i);
    stream = four_channels(tile, stream, tile->x + 1, y1 + i);
  }
}
#endif
