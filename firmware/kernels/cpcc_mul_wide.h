#ifndef CPCC_MUL_WIDE_H
#define CPCC_MUL_WIDE_H

#include "cpcc_broadcast.h"

/* As cpcc_mul_t; int16 operands have the zero point 0. `shift` is TensorFlow Lite's, negative to the right. */
typedef struct {
  cpcc_broadcast_t shape;
  int32_t a_zero_point, b_zero_point;
  int32_t multiplier, shift, zero_point;
  int32_t low, high;
} cpcc_mul_wide_t;

void cpcc_mul_wide_tflite(const cpcc_mul_wide_t *layer, const int16_t *a, const int16_t *b, int16_t *y, int8_t *scratch);

#endif
