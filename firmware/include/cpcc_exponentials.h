/* Softmax's fixed-point arithmetic in constant time; Qm.n has m integer and n fractional bits. The twin of
   cpcc/ops/fixed_functions.py. */
#ifndef CPCC_EXPONENTIALS_H
#define CPCC_EXPONENTIALS_H

#include "cpcc_fixed.h"

#define CPCC_SUM_INTEGER_BITS 12

/* a * b / 2^31, halves up. */
CPCC_INLINE int32_t cpcc_product31(int32_t a, int32_t b) {
  return (int32_t)((cpcc_long_product(a, b) + (1 << 30)) >> 31);
}

/* x / 2^bits, halves away from zero; x is not negative, bits is at least 1. */
CPCC_INLINE int32_t cpcc_rounded(int32_t x, int32_t bits) {
  return (int32_t)(((uint32_t)x + (1u << (bits - 1))) >> bits);
}

/* Leading zeros of x > 0 in constant time: Armv6-M has no instruction for it, and its library function branches. */
static inline int32_t cpcc_leading_zeros(uint32_t x) {
#if defined(__ARM_ARCH_6M__)
  uint32_t zeros = 0;
  for (uint32_t step = 16; step != 0u; step >>= 1) {
    const uint32_t shift = step & (0u - (((x >> (32u - step)) - 1u) >> 31));
    x <<= shift;
    zeros += shift;
  }
  return (int32_t)zeros;
#else
  return __builtin_clz(x);
#endif
}

/* Q0.31 1 / x of a mantissa 1 <= x <= 2, given as Q0.31 x - 1: three steps of Newton's method on half of it. */
static inline int32_t cpcc_reciprocal(uint32_t fraction) {
  const int32_t half = (int32_t)((fraction >> 1) + (1u << 30));
  int32_t x = 1515870810 + cpcc_product31(half, -1010580540); /* 48/17 - 32/17 * half, Q2.29 */
  for (int32_t i = 0; i < 3; i++) {
    x += cpcc_product31(x, (1 << 29) - cpcc_product31(half, x)) * 4;
  }
  const uint32_t limited = (uint32_t)cpcc_min(x, 1 << 30);
  return (int32_t)(2u * limited - (limited >> 30)); /* 2^31 - 1 where it is 1 */
}

static inline int32_t cpcc_row_maximum(const int8_t *x, int32_t classes) {
  int32_t largest = -128;
  for (int32_t i = 0; i < classes; i++) {
    largest = cpcc_max(largest, x[i]);
  }
  return largest;
}

/* Q12.19 sum of the exponentials; `last` is the index of the last of them, which stands for all greater distances. */
static inline int32_t cpcc_exponential_sum(const int32_t *exponentials, int32_t last, const int8_t *x, int32_t classes,
                                           int32_t largest) {
  int32_t sum = 0;
  for (int32_t i = 0; i < classes; i++) {
    sum += cpcc_rounded(exponentials[cpcc_min(largest - x[i], last)], CPCC_SUM_INTEGER_BITS);
  }
  return sum;
}

#endif
