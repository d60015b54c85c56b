#ifndef CPCC_MEAN_WIDE_H
#define CPCC_MEAN_WIDE_H

#include "cpcc_mean.h"

/* As cpcc_mean, of int16 tensors, whose zero point is 0. */
typedef cpcc_mean_t cpcc_mean_wide_t;

void cpcc_mean_wide(const cpcc_mean_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
