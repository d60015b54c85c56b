#ifndef CPCC_LINEAR_FEW_H
#define CPCC_LINEAR_FEW_H

#include "cpcc_fixed.h"

/* Sparse weights of few levels, a byte each: in the low `bits` a multiple of the row's step, above it columns from the previous one. A wide gap is
 * bridged by multiples of 0. */
typedef struct {
  int32_t out_features;
  int32_t bits;           /* 2 to 4 */
  const uint16_t *counts; /* entries of a row */
  const uint8_t *entries;
  const uint8_t *steps;
  cpcc_output_t output;
} cpcc_linear_few_t;

void cpcc_linear_few(const cpcc_linear_few_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_linear_few_tflite(const cpcc_linear_few_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
