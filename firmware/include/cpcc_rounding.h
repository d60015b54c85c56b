/* Requantization in kernels that read a channel's constants as words. */
#ifndef CPCC_ROUNDING_H
#define CPCC_ROUNDING_H

#include "cpcc_dsp.h"

/* CPCC_ONCE: one rounding, halves up; a channel's constant is its multiplier.
 * CPCC_TFLITE: TensorFlow Lite's two roundings; a channel has its multiplier, 2^(s-1) + (zero point << s), and its right
 * shift s, at least 1. Twice the accumulator must fit int32.
 * CPCC_TFLITE_RELU: where the lowest output is the zero point. The correction for negative numbers changes only outputs
 * below it, so it is left out. */
typedef enum { CPCC_ONCE = 0, CPCC_TFLITE = 1, CPCC_TFLITE_RELU = 2 } cpcc_rounding_t;

/* Words of constants for one channel, without its bias. */
static inline int32_t cpcc_channel_words(int32_t rounding) { return rounding == CPCC_ONCE ? 1 : 3; }

/* The int8 output for `acc`: once the accumulator, else twice the accumulator. */
static inline int8_t cpcc_round(int32_t rounding, const int32_t *constants, int32_t zero_point, int32_t acc) {
  if (rounding == CPCC_ONCE) {
    return (int8_t)cpcc_ssat8(cpcc_smmlar((uint32_t)acc, (uint32_t)constants[0], zero_point));
  }
  const int32_t product = cpcc_smmlar((uint32_t)acc, (uint32_t)constants[0], constants[1]);
  const int32_t correction = rounding == CPCC_TFLITE ? cpcc_sign(acc) : 0;
  return (int8_t)cpcc_ssat8((product + correction) >> constants[2]);
}

/* Row A of a pair: its accumulator as cpcc_round wants it. */
static inline int32_t cpcc_row_a(int32_t rounding, int32_t a) { return rounding == CPCC_ONCE ? a : 2 * a; }

/* Row B from `mixed`, 256 * B + A; its bias is doubled in the stream where cpcc_round wants twice the accumulator. */
static inline int32_t cpcc_row_b(int32_t rounding, int32_t bias, int32_t mixed, int32_t a) {
  const int32_t b = (int32_t)((uint32_t)mixed - (uint32_t)a);
  return bias + (rounding == CPCC_ONCE ? b >> 8 : b >> 7);
}

#endif
