/* Sums of four weights in a word (see cpcc_linear_paired.h). */
#ifndef CPCC_CROSSED_H
#define CPCC_CROSSED_H

#include "cpcc_rounding.h"

#define CPCC_RAISED 0x00800080u /* adds 128 to inputs 0 and 2 of a word, as unsigned bytes */

/* Both words of each of `blocks` blocks of an input. Up to seven bytes behind x may be read: buffers of the arena end at multiples
 * of 8, and those inputs meet zero weights. */
static inline void cpcc_crossed_input(uint32_t *d, const int8_t *x, int32_t blocks) {
  for (; blocks > 0; blocks -= 2, x += 8) {
    const uint32_t first = cpcc_load4(x) ^ CPCC_RAISED, second = cpcc_load4(x + 4) ^ CPCC_RAISED;
    d = cpcc_store2(d, first, cpcc_cross_unsigned(first));
    d = cpcc_store2(d, second, cpcc_cross_unsigned(second));
  }
}

/* 256 times the sum of one row; `x` has both words of each block. */
static inline int32_t cpcc_crossed_row(const uint32_t *x, const int32_t *stream, int32_t blocks) {
  int32_t sum = 0;
  for (int32_t i = 0; i < blocks; i++) {
    const uint32_t w = (uint32_t)*stream++;
    sum = cpcc_smlsd(x[2 * i + 1], w, sum);
    sum = cpcc_smlsd(x[2 * i], cpcc_cross_signed(w), sum);
  }
  return sum;
}

/* A row's accumulator, or twice it, as cpcc_round wants it, from 256 times its sum. */
static inline int32_t cpcc_crossed_sum(int32_t rounding, int32_t bias, int32_t sum) {
  return bias + (rounding == CPCC_ONCE ? sum >> 8 : sum >> 7);
}

/* One row's output from its sum; `stream` is at its bias. Gives what follows the row. */
static inline const int32_t *cpcc_last_row(int32_t rounding, int32_t zero_point, const int32_t *stream, int32_t sum,
                                           int8_t *y) {
  *y = cpcc_round(rounding, stream + 1, zero_point, cpcc_crossed_sum(rounding, stream[0], sum));
  return stream + 1 + cpcc_channel_words(rounding);
}

#endif
