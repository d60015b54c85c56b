#ifndef CPCC_DEPTHWISE_3X3_H
#define CPCC_DEPTHWISE_3X3_H

#include "cpcc_fixed.h"

/* Depthwise 3x3 of any stride and at least four channels, four at a time; where their number is no multiple of 4, the last
 * four overlap the ones before. In each column the upper two rows are paired channel by channel for SMLAD; the third is
 * multiplied alone.
 * The stream has, per group and column: the four channels' upper two weights, then the third of channels 0 and 2, then of
 * 1 and 3, as halfwords; `constants`, per group: four biases, four channels' constants (see cpcc_rounding.h; weights and
 * biases are doubled where twice the accumulator is rounded). */
typedef struct {
  cpcc_window_t window;
  const int32_t *stream, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_depthwise_3x3_t;

/* scratch: of cpcc_strip. */
void cpcc_depthwise_3x3(const cpcc_depthwise_3x3_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
