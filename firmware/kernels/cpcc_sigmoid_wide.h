#ifndef CPCC_SIGMOID_WIDE_H
#define CPCC_SIGMOID_WIDE_H

#include "cpcc_fixed.h"

/* Sigmoid or tanh, symmetric about 0: `table` has 256 entries for magnitudes 2^bits apart, beyond which stands `saturated`. Arithmetic:
   cpcc/ops/wide_sigmoid.py. */
typedef struct {
  int32_t size;
  int32_t multiplier, shift; /* of the inputs; the shift is to the right */
  int32_t bits, saturated, offset, right;
  const int16_t *table;
} cpcc_sigmoid_wide_t;

void cpcc_sigmoid_wide(const cpcc_sigmoid_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
