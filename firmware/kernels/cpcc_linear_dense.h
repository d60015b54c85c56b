#ifndef CPCC_LINEAR_DENSE_H
#define CPCC_LINEAR_DENSE_H

#include "cpcc_fixed.h"

/* Weights row by row, (out_features, in_features). */
typedef struct {
  int32_t in_features, out_features;
  const int8_t *weights;
  cpcc_output_t output;
} cpcc_linear_dense_t;

void cpcc_linear_dense(const cpcc_linear_dense_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_linear_dense_tflite(const cpcc_linear_dense_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
