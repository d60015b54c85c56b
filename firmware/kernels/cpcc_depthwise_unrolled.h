#ifndef CPCC_DEPTHWISE_UNROLLED_H
#define CPCC_DEPTHWISE_UNROLLED_H

#include "cpcc_conv_program.h"

/* A sparse depthwise convolution: kernel rows, strides and borders are as in a full one, and each channel reads its own input
 * channel as a program of its own. */
typedef cpcc_conv_program_layer_t cpcc_depthwise_unrolled_t;

CPCC_INLINE void cpcc_depthwise_unrolled(const cpcc_depthwise_unrolled_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  cpcc_conv_program_layer(layer, x, y, scratch);
}

#endif
