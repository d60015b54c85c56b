#ifndef CPCC_CONV2D_SWAR_H
#define CPCC_CONV2D_SWAR_H

#include "cpcc_fixed.h"

/* Four pixels at a time, two in a word: see cpcc_swar.h. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w, out_channels;
  int32_t strip_rows; /* output rows computed from one strip of the input */
  const uint8_t *weights;
  const int32_t *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_conv2d_swar_t;

/* scratch: eight bytes per input of a patch; the outputs of four pixels, channels filled up to a multiple of 4; the strip where
 * the input is padded. */
void cpcc_conv2d_swar(const cpcc_conv2d_swar_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
