#ifndef CPCC_TILE4X2_ASM_H
#define CPCC_TILE4X2_ASM_H

#include "cpcc_dsp.h"

/* What the forms of cpcc_tile4x2 share: twelve instructions for sixteen products, in all fourteen registers.
 *   r0 r1: A0 A1 of pixel 0   r2 r3: 256 * B + A   r4-r7: the same of pixel 1   r8 r9: weights   r10 r11: inputs
 *   r12: next input   lr: stream   stack: exit from the steps, y0, y1, end of y0, end of x */
#define CPCC_TILE_LOAD "ldrd r8, r9, [lr], #8\n ldrd r10, r11, [r12], #8\n "
#define CPCC_TILE_STEP(m0, m1, n0, n1, c0, c1)                                                     \
  "smlad r2, r8, r10, " m0 "\n smlad r6, r8, r11, " n0 "\n smlad r3, r9, r10, " m1 "\n"            \
  " smlad r7, r9, r11, " n1 "\n sxtb16 r8, r8\n sxtb16 r9, r9\n smlad r4, r8, r11, " c0 "\n"       \
  " smlad r0, r8, r10, r0\n smlad r5, r9, r11, " c1 "\n smlad r1, r9, r10, r1\n "

/* Rows B from the mixed sums and their biases in the stream; TensorFlow Lite's roundings of two pixels. */
#define CPCC_TILE_UNMIX(shift)                                                                               \
  " ldrd r8, r9, [lr], #8\n subs r2, r2, r0\n subs r3, r3, r1\n subs r6, r6, r4\n subs r7, r7, r5\n" \
  " add r2, r8, r2, asr #" shift "\n add r6, r8, r6, asr #" shift "\n"                             \
  " add r3, r9, r3, asr #" shift "\n add r7, r9, r7, asr #" shift "\n"
#define CPCC_TILE_TWICE " lsls r0, r0, #1\n lsls r1, r1, #1\n lsls r4, r4, #1\n lsls r5, r5, #1\n"
#define CPCC_TILE_ROUND(a) " smmlar r11, " a ", r8, r9\n add " a ", r11, " a ", asr #31\n asr.w " a ", " a ", r10\n"
#define CPCC_TILE_RELU(a) " smmlar " a ", " a ", r8, r9\n asr.w " a ", " a ", r10\n"
#define CPCC_TILE_CHANNEL(round, a, c) " ldmia.w lr!, {r8, r9, r10}\n" round(a) round(c)

/* Eight outputs; label 1 begins the next channels. */
#define CPCC_TILE_STORED                                                                           \
  " ldrd r8, r9, [sp, #4]\n"                                                                       \
  " ssat r0, #8, r0\n ssat r1, #8, r1\n ssat r2, #8, r2\n ssat r3, #8, r3\n"                       \
  " ssat r4, #8, r4\n ssat r5, #8, r5\n ssat r6, #8, r6\n ssat r7, #8, r7\n"                       \
  " strb r0, [r8], #1\n strb r2, [r8], #1\n strb r1, [r8], #1\n strb r3, [r8], #1\n"               \
  " strb r4, [r9], #1\n strb r6, [r9], #1\n strb r5, [r9], #1\n strb r7, [r9], #1\n"               \
  " strd r8, r9, [sp, #4]\n ldr r10, [sp, #12]\n cmp r8, r10\n bne.w 1b\n"                         \
  " add sp, #20\n pop {r4-r11, pc}\n"

#if !CPCC_DSP
/* Sums of two pairs of rows over a patch whose words lie two apart: `a` of rows A, `mixed` 256 * B + A, both begun with the
 * biases of rows A. Gives what follows in the stream. */
static inline const int32_t *cpcc_two_pairs(const int32_t *stream, const uint32_t *x, int32_t steps, int32_t *a,
                                            int32_t *mixed) {
  mixed[0] = a[0];
  mixed[1] = a[1];
  for (int32_t i = 0; i < steps; i++, stream += 2, x += 2) {
    for (int32_t pair = 0; pair < 2; pair++) {
      const uint32_t w = (uint32_t)stream[pair];
      mixed[pair] = cpcc_smlad(w, *x, mixed[pair]);
      a[pair] = cpcc_smlad(cpcc_sxtb16(w), *x, a[pair]);
    }
  }
  return stream;
}
#endif

#endif
