#ifndef CPCC_AVG_POOL2D_WIDE_H
#define CPCC_AVG_POOL2D_WIDE_H

#include "cpcc_avg_pool2d.h"

/* As cpcc_avg_pool2d, of int16 tensors, whose zero point is 0. */
typedef cpcc_avg_pool2d_t cpcc_avg_pool2d_wide_t;

void cpcc_avg_pool2d_wide(const cpcc_avg_pool2d_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
