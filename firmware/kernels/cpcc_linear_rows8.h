#ifndef CPCC_LINEAR_ROWS8_H
#define CPCC_LINEAR_ROWS8_H

#include "cpcc_fixed.h"

/* Eight rows at a time, each with a register for its sum. Per eight rows, the last filled up with zeros, `weights` has eight
 * bytes per input, one of each row, inputs filled up to an even number; `constants` has their biases, doubled where cpcc_round
 * wants twice the accumulator, and their rounding constants (see cpcc_rounding.h). */
typedef struct {
  int32_t in_features, out_features;
  const int8_t *weights;
  const int32_t *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_linear_rows8_t;

/* scratch: four bytes per input, inputs filled up to an even number. */
void cpcc_linear_rows8(const cpcc_linear_rows8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
