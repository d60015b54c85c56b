#ifndef CPCC_SOFTMAX_WIDE_H
#define CPCC_SOFTMAX_WIDE_H

#include "cpcc_fixed.h"

/* Over the last axis, of `classes` values. `multiplier` and `shift`, TensorFlow Lite's, make steps of 10/65535 of the input's. Tables of
   513 entries, Q0.15: exp from -10 to 0, 1 / (1 + x) from 0 to 1. Arithmetic: cpcc/ops/wide_softmax.py. */
typedef struct {
  int32_t rows, classes;
  int32_t multiplier, shift;
  const int16_t *exponentials, *reciprocals;
} cpcc_softmax_wide_t;

void cpcc_softmax_wide(const cpcc_softmax_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
