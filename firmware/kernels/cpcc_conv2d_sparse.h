#ifndef CPCC_CONV2D_SPARSE_H
#define CPCC_CONV2D_SPARSE_H

#include "cpcc_fixed.h"

/* One row of (distance, weight) pairs per output channel; a distance counts elements of the padded input from the previous
   pair's, the first from the window's origin. Format: cpcc/formats/sparse.py, DeltaRows. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, out_channels;
  const uint16_t *counts;
  const uint8_t *deltas;
  const int8_t *weights;
  cpcc_output_t output;
} cpcc_conv2d_sparse_t;

void cpcc_conv2d_sparse(const cpcc_conv2d_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_conv2d_sparse_tflite(const cpcc_conv2d_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
