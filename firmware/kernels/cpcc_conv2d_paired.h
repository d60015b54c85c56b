#ifndef CPCC_CONV2D_PAIRED_H
#define CPCC_CONV2D_PAIRED_H

#include "cpcc_fixed.h"

/* Two neighbouring pixels at a time: their patches are widened to halfwords in scratch and multiplied by a stream of
 * paired rows (see cpcc_tile4x2.h), its channels filled up to a multiple of 4. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w, out_channels;
  int32_t steps; /* words of a widened patch */
  const int32_t *stream;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_conv2d_paired_t;

/* scratch: the tile's words, 8 bytes, and two patches as bytes where the input is padded. */
void cpcc_conv2d_paired(const cpcc_conv2d_paired_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
