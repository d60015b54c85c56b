#ifndef CPCC_LINEAR_PAIRED_APART_H
#define CPCC_LINEAR_PAIRED_APART_H

#include "cpcc_fixed.h"

/* cpcc_linear_paired for weights that several layers share, each with constants of its own: the stream has the words of the
 * weights alone; `constants` has, per four rows, four biases and what cpcc_rounding.h says of the four, then the same of each row
 * that remains. */
typedef struct {
  int32_t blocks; /* of four inputs, even */
  int32_t out_features;
  const int32_t *stream, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_linear_paired_apart_t;

/* scratch: 8 bytes per block. */
void cpcc_linear_paired_apart(const cpcc_linear_paired_apart_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
