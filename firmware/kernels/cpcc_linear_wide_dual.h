#ifndef CPCC_LINEAR_WIDE_DUAL_H
#define CPCC_LINEAR_WIDE_DUAL_H

#include "cpcc_wide.h"

/* Weights as in cpcc_wide2x2.h, pairs of rows one after the other. */
typedef struct {
  int32_t in_features, out_features, groups;
  const uint32_t *weights;
  cpcc_wide_output_t output;
} cpcc_linear_wide_dual_t;

/* scratch: 8 bytes per group, where the inputs are no multiple of four. */
void cpcc_linear_wide_dual(const cpcc_linear_wide_dual_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
