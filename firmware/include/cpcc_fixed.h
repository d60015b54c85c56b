/* Fixed-point arithmetic of every kernel: the C twin of cpcc/fixedpoint.py. See docs/numerics.md. */
#ifndef CPCC_FIXED_H
#define CPCC_FIXED_H

#include <stdint.h>

#define CPCC_ABI 1
#define CPCC_NOINLINE __attribute__((noinline))
#define CPCC_INLINE static inline __attribute__((always_inline))

/* How an accumulator becomes an int8 output. `bias` holds the input's zero point folded in; bias, multiplier and shift
   have one entry per output channel. A kernel has one function per rounding: the plain one reads left_shift, the one
   that ends in _tflite reads shift. */
typedef struct {
  const int32_t *bias;
  const int32_t *multiplier;
  const int8_t *shift; /* TensorFlow Lite's: positive is left, negative is right */
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

/* All ones where a is negative, else 0; hidden from the compiler as in cpcc_below. */
static inline int32_t cpcc_sign(int32_t a) {
  int32_t mask = a >> 31;
#if defined(__ARM_ARCH_6M__)
  __asm__("" : "+r"(mask));
#endif
  return mask;
}

/* a * b in constant time. Armv6-M has no long multiplication, and GCC's library function for it branches on a carry:
 * there it is put together from four products of halves. */
static inline int64_t cpcc_long_product(int32_t a, int32_t b) {
#if defined(__ARM_ARCH_6M__)
  const int32_t a1 = a >> 16, b1 = b >> 16;
  const int32_t a0 = a & 0xFFFF, b0 = b & 0xFFFF;
  const uint32_t low = (uint32_t)a0 * (uint32_t)b0;
  const int32_t p = a1 * b0, q = a0 * b1;
  const uint32_t middle = (low >> 16) + ((uint32_t)p & 0xFFFFu) + ((uint32_t)q & 0xFFFFu);
  const int32_t high = a1 * b1 + (p >> 16) + (q >> 16) + (int32_t)(middle >> 16);
  return (int64_t)(((uint64_t)(uint32_t)high << 32) | (middle << 16) | (low & 0xFFFFu));
#else
  return (int64_t)a * b;
#endif
}

/* round(acc * 2^left_shift * multiplier / 2^32), halves up. The compiler proved that the shifted accumulator fits
   int32. A multiplication, because shifting a negative number left is undefined in C. */
static inline int32_t cpcc_scale(int32_t acc, int32_t left_shift, int32_t multiplier) {
  const int32_t shifted = acc * (int32_t)(1u << left_shift);
  return (int32_t)((cpcc_long_product(shifted, multiplier) + INT64_C(0x80000000)) >> 32);
}

/* The int8 output of channel `channel` for the accumulator `acc`, bias included. */
static inline int8_t cpcc_requantize(const cpcc_output_t *out, int32_t channel, int32_t acc) {
  const int32_t scaled = cpcc_scale(acc, out->left_shift, out->multiplier[channel]);
  return (int8_t)cpcc_clamp(scaled + out->zero_point, out->low, out->high);
}

/* TensorFlow Lite's rounding: acc * multiplier / 2^31, halves up, then the right shift, halves away from zero. The
   accumulator has the product's sign, or the product is 0, where the correction changes nothing. The compiler proved
   that nothing leaves int32. */
static inline int32_t cpcc_scale_tflite(int32_t acc, int32_t shift, int32_t multiplier) {
  const int32_t left = cpcc_max(shift, 0);
  const int32_t right = left - shift;
  const int32_t half = (int32_t)(1u << right >> 1);
  const int32_t product = (int32_t)((cpcc_long_product(acc * (int32_t)(1u << left), multiplier) + (1 << 30)) >> 31);
  return (product + half - (cpcc_sign(acc) & (half > 0))) >> right;
}

static inline int8_t cpcc_requantize_tflite(const cpcc_output_t *out, int32_t channel, int32_t acc) {
  const int32_t scaled = cpcc_scale_tflite(acc, out->shift[channel], out->multiplier[channel]);
  return (int8_t)cpcc_clamp(scaled + out->zero_point, out->low, out->high);
}

/* For the one body behind a kernel's two functions; `tflite` is a constant there. */
CPCC_INLINE int8_t cpcc_requantize_as(int tflite, const cpcc_output_t *out, int32_t channel, int32_t acc) {
  return tflite ? cpcc_requantize_tflite(out, channel, acc) : cpcc_requantize(out, channel, acc);
}

/* Both functions of kernel `name`, from its body `run`. */
#define CPCC_BOTH_ROUNDINGS(name)                                                          \
  void name(const name##_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {          \
    run(layer, x, y, scratch, 0);                                                          \
  }                                                                                        \
  void name##_tflite(const name##_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) { \
    run(layer, x, y, scratch, 1);                                                          \
  }

#endif
