#ifndef CPCC_MUL_H
#define CPCC_MUL_H

#include "cpcc_broadcast.h"

typedef struct {
  cpcc_broadcast_t shape;
  int32_t a_zero_point, b_zero_point;
  int32_t multiplier, left_shift, zero_point;
} cpcc_mul_t;

void cpcc_mul(const cpcc_mul_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch);

#endif
