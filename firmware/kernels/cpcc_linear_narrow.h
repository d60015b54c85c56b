#ifndef CPCC_LINEAR_NARROW_H
#define CPCC_LINEAR_NARROW_H

#include "cpcc_fixed.h"

/* As cpcc_linear_paired.h, with half the scratch: of each block only h, which may take the input's own memory. */
typedef struct {
  int32_t blocks; /* of four inputs, even */
  int32_t out_features;
  const int32_t *stream;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_linear_narrow_t;

/* scratch: 4 bytes per block. */
void cpcc_linear_narrow(const cpcc_linear_narrow_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
