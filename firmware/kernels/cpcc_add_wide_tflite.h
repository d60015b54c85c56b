#ifndef CPCC_ADD_WIDE_TFLITE_H
#define CPCC_ADD_WIDE_TFLITE_H

#include "cpcc_fixed.h"

/* As cpcc_add_tflite_t; int16 operands have the zero point 0. */
typedef struct {
  int32_t size;
  int32_t zero_point_a, zero_point_b, zero_point;
  const int32_t *multipliers;
  const int8_t *shifts;
  int32_t low, high;
} cpcc_add_wide_tflite_t;

void cpcc_add_wide_tflite(const cpcc_add_wide_tflite_t *layer, const int16_t *a, const int16_t *b, int16_t *y,
                          int8_t *scratch);
/* The first operand less the second. */
void cpcc_add_wide_tflite_difference(const cpcc_add_wide_tflite_t *layer, const int16_t *a, const int16_t *b,
                                     int16_t *y, int8_t *scratch);

#endif
