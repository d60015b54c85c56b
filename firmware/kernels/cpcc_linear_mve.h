#ifndef CPCC_LINEAR_MVE_H
#define CPCC_LINEAR_MVE_H

#include "cpcc_fixed.h"

/* Eight rows at a time, sixteen products an instruction, for Helium. Inputs that are no multiple of 16 are copied to
 * scratch; what lies behind them meets zero weights. Per eight rows, the last filled up with zeros, `weights` has per sixteen
 * inputs eight vectors; `constants` has eight biases, then the vectors of cpcc_conv2d_mve.h for the first four rows and for the
 * others. */
typedef struct {
  int32_t in_features, out_features;
  const int32_t *weights, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_linear_mve_t;

/* scratch: the inputs, filled up to whole vectors, where they are copied. */
void cpcc_linear_mve(const cpcc_linear_mve_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
