/* Layers whose activations are int16 and whose weights are int8. See docs/numerics.md. */
#ifndef CPCC_WIDE_H
#define CPCC_WIDE_H

#include "cpcc_fixed.h"

/* How an accumulator becomes an int16 output. A kernel has one function with int32 sums, where the compiler proved that
   they fit, and one that ends in _long with int64 sums. */
typedef struct {
  const int32_t *bias;
  const int32_t *multiplier;
  int32_t left_shift, low, high;
} cpcc_wide_output_t;

/* acc plus the dot product of `size` weights and inputs, which lie `w_step` and `x_step` elements apart. */
CPCC_INLINE int32_t cpcc_wide_dot(int32_t acc, const int8_t *w, int32_t w_step, const int16_t *x, int32_t x_step,
                                  int32_t size) {
  for (int32_t i = 0; i < size; i++) {
    acc += *w * *x;
    w += w_step;
    x += x_step;
  }
  return acc;
}

CPCC_INLINE int64_t cpcc_wide_dot_long(int64_t acc, const int8_t *w, int32_t w_step, const int16_t *x, int32_t x_step,
                                       int32_t size) {
  for (int32_t i = 0; i < size; i++) {
    acc += *w * *x;
    w += w_step;
    x += x_step;
  }
  return acc;
}

/* round(acc * 2^left_shift * multiplier / 2^32), halves up, as cpcc_scale. The compiler proved that the product stays
   below 2^62. With acc = high * 2^32 + low, low signed, only low's product has bits to round away. */
static inline int32_t cpcc_scale_long(int64_t acc, int32_t left_shift, int32_t multiplier) {
  const uint64_t shifted = (uint64_t)acc << left_shift;
  const uint32_t low = (uint32_t)shifted, high = (uint32_t)(shifted >> 32) + (low >> 31);
  const int64_t product = cpcc_long_product((int32_t)low, multiplier);
  return (int32_t)(high * (uint32_t)multiplier + (uint32_t)((product + INT64_C(0x80000000)) >> 32));
}

/* The int16 output of channel `channel` for the accumulator `acc`, bias included. */
static inline int16_t cpcc_wide_round(const cpcc_wide_output_t *out, int32_t channel, int32_t acc) {
  return (int16_t)cpcc_clamp(cpcc_scale(acc, out->left_shift, out->multiplier[channel]), out->low, out->high);
}

static inline int16_t cpcc_wide_round_long(const cpcc_wide_output_t *out, int32_t channel, int64_t acc) {
  return (int16_t)cpcc_clamp(cpcc_scale_long(acc, out->left_shift, out->multiplier[channel]), out->low, out->high);
}

/* Both functions of kernel `name`, from its body `run`, whose last argument is a constant. */
#define CPCC_BOTH_SUMS(name)                                                                 \
  void name(const name##_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {          \
    run(layer, x, y, scratch, 0);                                                            \
  }                                                                                          \
  void name##_long(const name##_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {   \
    run(layer, x, y, scratch, 1);                                                            \
  }

#endif
