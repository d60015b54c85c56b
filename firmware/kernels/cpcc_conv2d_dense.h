#ifndef CPCC_CONV2D_DENSE_H
#define CPCC_CONV2D_DENSE_H

#include "cpcc_fixed.h"

/* Weights (out_channels, kernel_h, kernel_w, channels). */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w, out_channels;
  const int8_t *weights;
  cpcc_output_t output;
} cpcc_conv2d_dense_t;

void cpcc_conv2d_dense(const cpcc_conv2d_dense_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_conv2d_dense_tflite(const cpcc_conv2d_dense_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
