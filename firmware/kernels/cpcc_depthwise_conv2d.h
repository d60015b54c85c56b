#ifndef CPCC_DEPTHWISE_CONV2D_H
#define CPCC_DEPTHWISE_CONV2D_H

#include "cpcc_fixed.h"

/* Weights (kernel_h, kernel_w, channels). */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w;
  const int8_t *weights;
  cpcc_output_t output;
} cpcc_depthwise_conv2d_t;

void cpcc_depthwise_conv2d(const cpcc_depthwise_conv2d_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_depthwise_conv2d_tflite(const cpcc_depthwise_conv2d_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
