#ifndef CPCC_WIDE2X2_H
#define CPCC_WIDE2X2_H

#include "cpcc_dsp.h"
#include "cpcc_fixed.h"

/* Sums of two rows of weights, a and b, with two patches of int16 inputs, 0 and 1. */
typedef struct {
  int32_t a0, b0, a1, b1;
} cpcc_wide2x2_t;

/* Per group of four inputs two words, a's and b's: weights in the bytes 0, 2, 1, 3, so that SXTB16 gives the first two, and
 * rotated the last two, as halfwords. The int16 inputs need no widening: SMLAD takes two of them as they lie. */
CPCC_INLINE cpcc_wide2x2_t cpcc_wide2x2(cpcc_wide2x2_t sum, const uint32_t *w, const uint32_t *x0, const uint32_t *x1,
                                        int32_t groups) {
  for (int32_t i = 0; i < groups; i++) {
    const uint32_t a = w[0], b = w[1];
    const uint32_t a_low = cpcc_sxtb16(a), a_high = cpcc_sxtb16_high(a);
    const uint32_t b_low = cpcc_sxtb16(b), b_high = cpcc_sxtb16_high(b);
    sum.a0 = cpcc_smlad(a_high, x0[1], cpcc_smlad(a_low, x0[0], sum.a0));
    sum.b0 = cpcc_smlad(b_high, x0[1], cpcc_smlad(b_low, x0[0], sum.b0));
    sum.a1 = cpcc_smlad(a_high, x1[1], cpcc_smlad(a_low, x1[0], sum.a1));
    sum.b1 = cpcc_smlad(b_high, x1[1], cpcc_smlad(b_low, x1[0], sum.b1));
    w += 2;
    x0 += 2;
    x1 += 2;
  }
  return sum;
}

/* Copies `count` int16, two at a time. */
static inline void cpcc_wide_copy(int16_t *d, const int16_t *s, int32_t count) {
  for (; count > 1; count -= 2, d += 2, s += 2) {
    uint32_t two;
    __builtin_memcpy(&two, s, sizeof two);
    __builtin_memcpy(d, &two, sizeof two);
  }
  if (count > 0) {
    *d = *s;
  }
}

/* Zeros for the inputs that fill up the last group of a patch. */
static inline void cpcc_wide_fill(int16_t *patch, int32_t from, int32_t groups) {
  for (int32_t i = from; i < 4 * groups; i++) {
    patch[i] = 0;
  }
}

#endif
