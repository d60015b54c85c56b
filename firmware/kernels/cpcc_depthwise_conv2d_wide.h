#ifndef CPCC_DEPTHWISE_CONV2D_WIDE_H
#define CPCC_DEPTHWISE_CONV2D_WIDE_H

#include "cpcc_wide.h"

/* Weights (kernel_h, kernel_w, channels). */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w;
  const int8_t *weights;
  cpcc_wide_output_t output;
} cpcc_depthwise_conv2d_wide_t;

void cpcc_depthwise_conv2d_wide(const cpcc_depthwise_conv2d_wide_t *layer, const int16_t *x, int16_t *y,
                                int8_t *scratch);
void cpcc_depthwise_conv2d_wide_long(const cpcc_depthwise_conv2d_wide_t *layer, const int16_t *x, int16_t *y,
                                     int8_t *scratch);

#endif
