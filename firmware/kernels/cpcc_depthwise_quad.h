#ifndef CPCC_DEPTHWISE_QUAD_H
#define CPCC_DEPTHWISE_QUAD_H

#include "cpcc_fixed.h"

/* Any depthwise convolution of at least four channels, four at a time; where their number is no multiple of 4, the last
 * four overlap the ones before. Taps lie in `runs` runs of `taps`: the kernel's rows, or its only column.
 * The stream has, per group and tap: the weights of channels 0 and 2, then 1 and 3, as halfwords; `constants`, per group: four
 * biases, four channels' constants (see cpcc_rounding.h; weights and biases are doubled where twice the accumulator is rounded). */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h;
  int32_t runs, taps; /* at most 12 taps */
  const int32_t *stream, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_depthwise_quad_t;

/* scratch: of cpcc_strip. */
void cpcc_depthwise_quad(const cpcc_depthwise_quad_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
