#ifndef CPCC_LOG_SOFTMAX_H
#define CPCC_LOG_SOFTMAX_H

#include "cpcc_fixed.h"

/* Over the last axis, of `classes` values. exponentials as in cpcc_softmax.h. A value d below the row's maximum is
   -(d << in_shift) * in_multiplier / 2^31 in Q5.26, up to d = radius; beyond, 20 below. The output is Q5.26 times
   multiplier / 2^(32 + shift). Arithmetic: cpcc/ops/log_softmax.py. */
typedef struct {
  int32_t rows, classes;
  int32_t radius, in_multiplier, in_shift;
  int32_t multiplier, shift, zero_point;
  int32_t last;
  const int32_t *exponentials;
} cpcc_log_softmax_t;

void cpcc_log_softmax(const cpcc_log_softmax_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
