#ifndef CPCC_RELU_H
#define CPCC_RELU_H

#include "cpcc_fixed.h"

typedef struct {
  int32_t size;
  int32_t zero_point;
} cpcc_relu_t;

void cpcc_relu(const cpcc_relu_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
