/* Fixed-point arithmetic of every kernel: the C twin of cpcc/fixedpoint.py. See docs/numerics.md. */
#ifndef CPCC_FIXED_H
#define CPCC_FIXED_H

#include <stdint.h>

#define CPCC_ABI 1
#define CPCC_NOINLINE __attribute__((noinline))

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

#if defined(__ARM_ARCH_6M__)
/* All ones where a < b, else 0; a - b must fit int32. The empty instructions hide from the compiler that this is a
 * comparison: Armv6-M has no conditional instructions, so a comparison that is recognised becomes a branch there. */
static inline int32_t cpcc_below(int32_t a, int32_t b) {
  int32_t mask = a - b;
  __asm__("" : "+r"(mask));
  mask >>= 31;
  __asm__("" : "+r"(mask));
  return mask;
}
#endif

/* The larger and the smaller of two numbers whose difference fits int32, in constant time: the same instructions run
 * whatever the data. */
static inline int32_t cpcc_max(int32_t a, int32_t b) {
#if defined(__ARM_ARCH_6M__)
  return a + ((b - a) & cpcc_below(a, b));
#else
  return a > b ? a : b;
#endif
}

static inline int32_t cpcc_min(int32_t a, int32_t b) {
#if defined(__ARM_ARCH_6M__)
  return b + ((a - b) & cpcc_below(a, b));
#else
  return a < b ? a : b;
#endif
}

static inline int32_t cpcc_clamp(int32_t value, int32_t low, int32_t high) {
  return cpcc_min(cpcc_max(value, low), high);
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
