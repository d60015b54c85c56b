#ifndef CPCC_LINEAR_SPARSE_H
#define CPCC_LINEAR_SPARSE_H

#include "cpcc_fixed.h"

/* Rows of (delta, weight) pairs: step the input pointer by delta, then multiply. Gaps beyond 255 are bridged by
   pairs with weight 0. Format: cpcc/formats/sparse.py, DeltaRows. */
typedef struct {
  int32_t out_features;
  const uint16_t *counts;
  const uint8_t *deltas;
  const int8_t *weights;
  cpcc_output_t output;
} cpcc_linear_sparse_t;

void cpcc_linear_sparse(const cpcc_linear_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_linear_sparse_tflite(const cpcc_linear_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
