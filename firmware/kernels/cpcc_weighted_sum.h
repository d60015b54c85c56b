#ifndef CPCC_WEIGHTED_SUM_H
#define CPCC_WEIGHTED_SUM_H

#include "cpcc_broadcast.h"

/* y = clamp((a * a_multiplier + b * b_multiplier + offset) >> shift); the compiler proved that no sum leaves int32. */
typedef struct {
  cpcc_broadcast_t shape;
  int32_t a_multiplier, b_multiplier, offset, shift;
  int32_t low, high;
} cpcc_weighted_sum_t;

void cpcc_weighted_sum(const cpcc_weighted_sum_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch);

#endif
