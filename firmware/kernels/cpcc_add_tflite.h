#ifndef CPCC_ADD_TFLITE_H
#define CPCC_ADD_TFLITE_H

#include "cpcc_fixed.h"

/* `multipliers` and `shifts` of the first operand, the second operand and their sum. */
typedef struct {
  int32_t size;
  int32_t zero_point_a, zero_point_b, zero_point;
  const int32_t *multipliers;
  const int8_t *shifts;
  int32_t low, high;
} cpcc_add_tflite_t;

void cpcc_add_tflite(const cpcc_add_tflite_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch);
/* The first operand less the second. */
void cpcc_add_tflite_difference(const cpcc_add_tflite_t *layer, const int8_t *a, const int8_t *b, int8_t *y,
                                int8_t *scratch);

#endif
