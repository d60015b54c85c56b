#ifndef CPCC_CONV2D_PAIRED_APART_H
#define CPCC_CONV2D_PAIRED_APART_H

#include "cpcc_fixed.h"

/* cpcc_conv2d_paired for weights that several layers share, each with constants of its own (see cpcc_tile4x2_apart.h). */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w, out_channels;
  int32_t steps; /* words of a widened patch */
  const int32_t *stream, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_conv2d_paired_apart_t;

/* scratch: the tile's words, 8 bytes, and two patches as bytes where the input is padded. */
void cpcc_conv2d_paired_apart(const cpcc_conv2d_paired_apart_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
