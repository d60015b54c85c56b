#ifndef CPCC_LINEAR_WIDE_H
#define CPCC_LINEAR_WIDE_H

#include "cpcc_wide.h"

/* Weights row by row, (out_features, in_features). */
typedef struct {
  int32_t in_features, out_features;
  const int8_t *weights;
  cpcc_wide_output_t output;
} cpcc_linear_wide_t;

void cpcc_linear_wide(const cpcc_linear_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);
void cpcc_linear_wide_long(const cpcc_linear_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
