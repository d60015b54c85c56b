#ifndef CPCC_MUL_H
#define CPCC_MUL_H

#include "cpcc_broadcast.h"

/* `shift` is to the left in cpcc_mul; in cpcc_mul_tflite it is TensorFlow Lite's, negative to the right. */
typedef struct {
  cpcc_broadcast_t shape;
  int32_t a_zero_point, b_zero_point;
  int32_t multiplier, shift, zero_point;
  int32_t low, high;
} cpcc_mul_t;

void cpcc_mul(const cpcc_mul_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch);
void cpcc_mul_tflite(const cpcc_mul_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch);

#endif
