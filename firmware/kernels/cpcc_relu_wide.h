#ifndef CPCC_RELU_WIDE_H
#define CPCC_RELU_WIDE_H

#include "cpcc_relu.h"

/* As cpcc_relu, of int16 tensors, whose zero point is 0. */
typedef cpcc_relu_t cpcc_relu_wide_t;

void cpcc_relu_wide(const cpcc_relu_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
