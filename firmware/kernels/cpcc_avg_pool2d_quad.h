#ifndef CPCC_AVG_POOL2D_QUAD_H
#define CPCC_AVG_POOL2D_QUAD_H

#include "cpcc_avg_pool2d.h"

/* As cpcc_avg_pool2d, four channels at a time: their number is a multiple of 4, and a window has at most 256 elements, so
 * that its sums fit 16 bits. */
typedef cpcc_avg_pool2d_t cpcc_avg_pool2d_quad_t;

void cpcc_avg_pool2d_quad(const cpcc_avg_pool2d_quad_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
