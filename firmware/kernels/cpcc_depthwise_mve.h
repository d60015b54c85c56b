#ifndef CPCC_DEPTHWISE_MVE_H
#define CPCC_DEPTHWISE_MVE_H

#include "cpcc_fixed.h"

/* Four channels of two neighbouring pixels at a time in 32-bit lanes of Helium; a kernel whose taps lie in one column is one run.
 * Per four channels, of which the last overlap the ones before where the channels are no multiple of 4, `weights` has per tap
 * a word of four, `constants` what cpcc_conv2d_mve.h says. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, runs, taps; /* of one run */
  const int32_t *weights, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_depthwise_mve_t;

/* scratch: one strip of rows where the input is padded. */
void cpcc_depthwise_mve(const cpcc_depthwise_mve_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
