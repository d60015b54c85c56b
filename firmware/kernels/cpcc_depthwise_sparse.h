#ifndef CPCC_DEPTHWISE_SPARSE_H
#define CPCC_DEPTHWISE_SPARSE_H

#include "cpcc_depthwise_rows.h"

/* Sparse weights: a bit of the mask says whether there is one, from the lowest bit of the first byte on; `weights` are those that there
 * are. */
typedef struct {
  cpcc_depthwise_rows_t rows;
  const uint8_t *mask;
  const int8_t *weights;
} cpcc_depthwise_sparse_t;

void cpcc_depthwise_sparse(const cpcc_depthwise_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_depthwise_sparse_tflite(const cpcc_depthwise_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
