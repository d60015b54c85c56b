/* Sums of four weights in a word (see cpcc_linear_paired.h). */
#ifndef CPCC_CROSSED_H
#define CPCC_CROSSED_H

#include "cpcc_rounding.h"

#define CPCC_RAISED 0x00800080u /* adds 128 to inputs 0 and 2 of a word, as unsigned bytes */

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
