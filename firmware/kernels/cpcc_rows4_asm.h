#ifndef CPCC_ROWS4_ASM_H
#define CPCC_ROWS4_ASM_H

/* What cpcc_rows4.c and cpcc_rows4_narrow.c share, for both of their forms.
 *   r0-r3: 256 * sums   r4-r7: weights   r10: next input   lr: stream
 *   stack: zero point, first input, end of the output, entry, epilogue, end of the inputs, output */
#include "cpcc_crossed.h"

#if CPCC_DSP
/* Four weights of row `a` in register `w` meet four inputs: y as they lie, h with the bytes in question in their place. */
#define CPCC_ROW(start, a, w, h, y) \
  start "sxtb16 " w ", " w ", ror #16\n smlsd " a ", " h ", " w ", " a "\n "
#define CPCC_NEXT(a, w, h, y) CPCC_ROW("smlsd " a ", " y ", " w ", " a "\n ", a, w, h, y)
#define CPCC_FIRST(a, w, h, y) CPCC_ROW("smusd " a ", " y ", " w "\n ", a, w, h, y)
#define CPCC_FOUR_ROWS(f, h, y) f("r0", "r4", h, y) f("r1", "r5", h, y) f("r2", "r6", h, y) f("r3", "r7", h, y)

/* Two blocks of four rows, the input's two words of each. */
#define CPCC_ROWS4_BLOCK(f, h, y) "ldmia.w lr!, {r4, r5, r6, r7}\n " CPCC_FOUR_ROWS(f, h, y)
#define CPCC_ROWS4_TWO(first) \
  "ldmia.w r10!, {r8, r9, r11, r12}\n " CPCC_ROWS4_BLOCK(first, "r8", "r9") CPCC_ROWS4_BLOCK(CPCC_NEXT, "r11", "r12")

#define CPCC_BIASED(shift)                                                                               \
  " ldmia.w lr!, {r4, r5, r6, r7}\n add r0, r4, r0, asr #" shift "\n add r1, r5, r1, asr #" shift "\n"    \
  " add r2, r6, r2, asr #" shift "\n add r3, r7, r3, asr #" shift "\n"
#define CPCC_ROUND_TFLITE(a, m, r, s) \
  " smmlar r10, " a ", " m ", " r "\n add " a ", r10, " a ", asr #31\n asr.w " a ", " a ", " s "\n"
#define CPCC_ROUND_RELU(a, m, r, s) " smmlar " a ", " a ", " m ", " r "\n asr.w " a ", " a ", " s "\n"
#define CPCC_TWO_ROUNDED(round, a, b) \
  " ldmia.w lr!, {r4, r5, r6, r7, r8, r9}\n" round(a, "r4", "r5", "r6") round(b, "r7", "r8", "r9")
#define CPCC_FOUR_ROUNDED(round) CPCC_BIASED("7") CPCC_TWO_ROUNDED(round, "r0", "r1") CPCC_TWO_ROUNDED(round, "r2", "r3")
#define CPCC_STORED                                                                           \
  " ldrd r10, r5, [sp, #4]\n ldr r12, [sp, #24]\n"                                            \
  " ssat r0, #8, r0\n ssat r1, #8, r1\n ssat r2, #8, r2\n ssat r3, #8, r3\n"                  \
  " strb r0, [r12], #1\n strb r1, [r12], #1\n strb r2, [r12], #1\n strb r3, [r12], #1\n"      \
  " str r12, [sp, #24]\n cmp r12, r5\n bne.w 1b\n add sp, #28\n pop {r4-r11, pc}\n"

/* Labels 4, 5 and 6, where the sums of four rows are complete; label 1 begins the next rows. */
#define CPCC_EPILOGUES                                                                        \
  "4:" CPCC_FOUR_ROUNDED(CPCC_ROUND_TFLITE) CPCC_STORED                                       \
  "5:" CPCC_FOUR_ROUNDED(CPCC_ROUND_RELU) CPCC_STORED                                         \
  "6:" CPCC_BIASED("8") " ldmia.w lr!, {r4, r5, r6, r7}\n ldr r8, [sp]\n"                      \
  " smmlar r0, r0, r4, r8\n smmlar r1, r1, r5, r8\n smmlar r2, r2, r6, r8\n smmlar r3, r3, r7, r8\n" CPCC_STORED

/* From the arguments to the first four rows, with steps of two blocks and 2^`shift` bytes of x, of which `mask` + 1
 * are unrolled in `bytes` bytes of code each, up to the label that the instruction `steps` finds. */
#define CPCC_FRAME(shift)                                                                                          \
  " push {r4-r11, lr}\n mov lr, r1\n mov r5, r0\n mov r10, r0\n ldm r3, {r4, r6, r8, r9}\n add r6, r2, r6\n"       \
  " lsrs r8, r8, #1\n add r1, r0, r8, lsl #" shift "\n push {r1, r2}\n"
#define CPCC_BY_ROUNDING                                                                                           \
  " adr.w r7, 6f\n cmp r9, #1\n it eq\n adreq.w r7, 4f\n it hi\n adrhi.w r7, 5f\n orr r7, r7, #1\n push {r7}\n"
#define CPCC_ENTER(mask, bytes, steps)                                                                             \
  " subs r8, #1\n and r8, r8, #" mask "\n movs r9, #" bytes "\n" steps " mls r7, r8, r9, r7\n orr r7, r7, #1\n"     \
  " push {r4-r7}\n"
#define CPCC_BEGIN(shift, mask, bytes) CPCC_FRAME(shift) CPCC_BY_ROUNDING CPCC_ENTER(mask, bytes, " adr.w r7, 3f\n")
#define CPCC_NEXT_STEPS "3: ldr r8, [sp, #20]\n cmp r10, r8\n bne.w 2b\n ldr.w pc, [sp, #16]\n"
#else
/* 256 times the sum of one block: `h` and `y` its words, `w` the word of weights. */
static inline int32_t cpcc_block(uint32_t h, uint32_t y, uint32_t w, int32_t sum) {
  return cpcc_smlsd(h, cpcc_cross_signed(w), cpcc_smlsd(y, w, sum));
}

/* 256 times the sums of four rows; `x` has both words of each block. Gives what follows them in the stream. */
static inline const int32_t *cpcc_four_sums(const uint32_t *x, const int32_t *stream, int32_t blocks, int32_t *sums) {
  sums[0] = sums[1] = sums[2] = sums[3] = 0;
  for (int32_t i = 0; i < blocks; i++) {
    for (int32_t row = 0; row < 4; row++) {
      sums[row] = cpcc_block(x[2 * i], x[2 * i + 1], (uint32_t)*stream++, sums[row]);
    }
  }
  return stream;
}

static inline const int32_t *cpcc_four_rounded(const int32_t *stream, int32_t rounding, int32_t zero_point,
                                               const int32_t *sums, int8_t *out) {
  const int32_t *constants = stream + 4;
  for (int32_t i = 0; i < 4; i++, constants += cpcc_channel_words(rounding)) {
    out[i] = cpcc_round(rounding, constants, zero_point, cpcc_crossed_sum(rounding, stream[i], sums[i]));
  }
  return constants;
}
#endif

#endif
