#ifndef CPCC_SUM_WIDE_H
#define CPCC_SUM_WIDE_H

#include "cpcc_broadcast.h"

/* y = clamp((a * 2^left_shift * a_multiplier + b * 2^left_shift * b_multiplier + 2^31) >> 32); left_shift is at most 15. */
typedef struct {
  cpcc_broadcast_t shape;
  int32_t a_multiplier, b_multiplier, left_shift;
  int32_t low, high;
} cpcc_sum_wide_t;

void cpcc_sum_wide(const cpcc_sum_wide_t *layer, const int16_t *a, const int16_t *b, int16_t *y, int8_t *scratch);

#endif
