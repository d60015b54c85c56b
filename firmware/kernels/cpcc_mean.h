#ifndef CPCC_MEAN_H
#define CPCC_MEAN_H

#include "cpcc_fixed.h"

/* Per channel the sum of all `pixels`, from `start` (the input's zero point, taken out), scaled once. */
typedef struct {
  int32_t pixels, channels, start;
  int32_t multiplier, left_shift, zero_point;
} cpcc_mean_t;

void cpcc_mean(const cpcc_mean_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
