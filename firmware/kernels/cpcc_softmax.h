#ifndef CPCC_SOFTMAX_H
#define CPCC_SOFTMAX_H

#include "cpcc_fixed.h"

/* Over the last axis, of `classes` values. exponentials[d], 0 <= d <= last: of a value d below the row's maximum, Q0.31;
   the last one stands for all greater distances. Arithmetic: cpcc/ops/softmax.py. */
typedef struct {
  int32_t rows, classes;
  int32_t last;
  const int32_t *exponentials;
} cpcc_softmax_t;

void cpcc_softmax(const cpcc_softmax_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
