#ifndef CPCC_MAX_POOL2D_QUAD_H
#define CPCC_MAX_POOL2D_QUAD_H

#include "cpcc_max_pool2d.h"

/* As cpcc_max_pool2d, four channels at a time: there are at least four, and where their number is no multiple of four the last
 * group begins within the one before it. */
typedef cpcc_max_pool2d_t cpcc_max_pool2d_quad_t;

void cpcc_max_pool2d_quad(const cpcc_max_pool2d_quad_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
