#ifndef CPCC_CONV2D_WIDE_DUAL_H
#define CPCC_CONV2D_WIDE_DUAL_H

#include "cpcc_wide.h"

/* Weights as in cpcc_wide2x2.h, pairs of channels one after the other; a row is kernel_h * kernel_w * channels. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w, out_channels, groups;
  const uint32_t *weights;
  cpcc_wide_output_t output;
} cpcc_conv2d_wide_dual_t;

/* scratch: two patches of 8 bytes per group, then the padded input. */
void cpcc_conv2d_wide_dual(const cpcc_conv2d_wide_dual_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
