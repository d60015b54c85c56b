#ifndef CPCC_CONV2D_BLOCKS8_APART_H
#define CPCC_CONV2D_BLOCKS8_APART_H

#include "cpcc_tiles8.h"

/* cpcc_conv2d_blocks8 for weights that several layers share, each with constants of its own (see cpcc_blocks8.h). */
typedef struct {
  cpcc_tiles8_t tiles;
  const int32_t *constants;
} cpcc_conv2d_blocks8_apart_t;

/* scratch as cpcc_tiles8.h says. */
void cpcc_conv2d_blocks8_apart(const cpcc_conv2d_blocks8_apart_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
