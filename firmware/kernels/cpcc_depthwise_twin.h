#ifndef CPCC_DEPTHWISE_TWIN_H
#define CPCC_DEPTHWISE_TWIN_H

#include "cpcc_fixed.h"

/* Four channels of two neighbouring pixels at a time; a kernel whose taps lie in one column is one run. Per four
 * channels, of which the last overlap the ones before where the channels are no multiple of 4, `weights` has a word of four
 * for each tap; `constants` four biases and four channels' constants (see cpcc_rounding.h). */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, runs, taps; /* of one run */
  const int32_t *weights, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_depthwise_twin_t;

/* scratch: one strip of rows where the input is padded. */
void cpcc_depthwise_twin(const cpcc_depthwise_twin_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
