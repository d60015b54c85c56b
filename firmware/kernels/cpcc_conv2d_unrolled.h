#ifndef CPCC_CONV2D_UNROLLED_H
#define CPCC_CONV2D_UNROLLED_H

#include "cpcc_conv_program.h"

/* A very sparse convolution as a program of its own. */
typedef cpcc_conv_program_layer_t cpcc_conv2d_unrolled_t;

CPCC_INLINE void cpcc_conv2d_unrolled(const cpcc_conv2d_unrolled_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  cpcc_conv_program_layer(layer, x, y, scratch);
}

#endif
