/* Fixed-point arithmetic of every kernel: the C twin of cpcc/fixedpoint.py. See docs/numerics.md. */
#ifndef CPCC_FIXED_H
#define CPCC_FIXED_H

#include <stdint.h>

#define CPCC_ABI 1

/* How an accumulator becomes an int8 output. `bias` holds the input's zero point folded in;
   bias and multiplier have one entry per output channel. */
typedef struct {
  const int32_t *bias;
  const int32_t *multiplier;
  int32_t left_shift;
  int32_t zero_point;
  int32_t low;
  int32_t high;
} cpcc_output_t;

/* A sliding window over a channels-last input; sizes in elements. */
typedef struct {
  int32_t in_h, in_w, channels;
  int32_t out_h, out_w;
  int32_t stride_h, stride_w;
  int32_t top, bottom, left, right;
  int32_t pad_value;
} cpcc_window_t;

static inline int32_t cpcc_clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : (value > high ? high : value);
}

/* round(acc * 2^left_shift * multiplier / 2^32), halves up. The compiler proved that the shifted accumulator fits
   int32. A multiplication, because shifting a negative number left is undefined in C. */
static inline int32_t cpcc_scale(int32_t acc, int32_t left_shift, int32_t multiplier) {
  const int32_t shifted = acc * (int32_t)(1u << left_shift);
  return (int32_t)(((int64_t)shifted * multiplier + INT64_C(0x80000000)) >> 32);
}

/* The int8 output of channel `channel` for the accumulator `acc`, bias included. */
static inline int8_t cpcc_requantize(const cpcc_output_t *out, int32_t channel, int32_t acc) {
  const int32_t scaled = cpcc_scale(acc, out->left_shift, out->multiplier[channel]);
  return (int8_t)cpcc_clamp(scaled + out->zero_point, out->low, out->high);
}

#endif
