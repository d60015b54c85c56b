#include "cpcc_softmax.h"

#define SUM_INTEGER_BITS 12

/* a * b / 2^31, halves up. */
static int32_t product(int32_t a, int32_t b) { return (int32_t)((cpcc_long_product(a, b) + (1 << 30)) >> 31); }

/* x / 2^bits, halves away from zero; x is not negative, bits is at least 1. */
static int32_t rounded(int32_t x, int32_t bits) { return (int32_t)(((uint32_t)x + (1u << (bits - 1))) >> bits); }

/* Leading zeros of x > 0 in constant time: Armv6-M has no instruction for it, and its library function branches. */
static int32_t leading_zeros(uint32_t x) {
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

/* 1 / x of a mantissa 1 <= x < 2, given as x - 1, Q0.31 as the result: three steps of Newton's method on half of it. */
static int32_t reciprocal(uint32_t fraction) {
  const int32_t half = (int32_t)((fraction >> 1) + (1u << 30));
  int32_t x = 1515870810 + product(half, -1010580540); /* 48/17 - 32/17 * half, Q2.29 */
  for (int32_t i = 0; i < 3; i++) {
    x += product(x, (1 << 29) - product(half, x)) * 4;
  }
  const uint32_t limited = (uint32_t)cpcc_min(x, 1 << 30);
  return (int32_t)(2u * limited - (limited >> 30)); /* 2^31 - 1 where it is 1 */
}

static int32_t exponential(const cpcc_softmax_t *layer, int32_t distance) {
  return layer->exponentials[cpcc_min(distance, layer->last)];
}

static void row(const cpcc_softmax_t *layer, const int8_t *x, int8_t *y) {
  int32_t largest = -128, sum = 0;
  for (int32_t i = 0; i < layer->classes; i++) {
    largest = cpcc_max(largest, x[i]);
  }
  for (int32_t i = 0; i < layer->classes; i++) {
    sum += rounded(exponential(layer, largest - x[i]), SUM_INTEGER_BITS);
  }
  const int32_t zeros = leading_zeros((uint32_t)sum);
  const int32_t scale = reciprocal(((uint32_t)sum << zeros) - (1u << 31));
  const int32_t shift = SUM_INTEGER_BITS - zeros + 31 - 8;
  for (int32_t i = 0; i < layer->classes; i++) {
    const int32_t q = rounded(product(scale, exponential(layer, largest - x[i])), shift);
    y[i] = (int8_t)cpcc_min(q - 128, 127);
  }
}

void cpcc_softmax(const cpcc_softmax_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->rows; i++) {
    row(layer, x, y);
    x += layer->classes;
    y += layer->classes;
  }
}
