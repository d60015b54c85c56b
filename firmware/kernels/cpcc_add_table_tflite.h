#ifndef CPCC_ADD_TABLE_TFLITE_H
#define CPCC_ADD_TABLE_TFLITE_H

#include "cpcc_fixed.h"

/* TensorFlow Lite's add with both operands rescaled by table: entry x & 255 is twice operand x in the common scale.
 * `constants` round the sum (see cpcc_rounding.h). */
typedef struct {
  int32_t size;
  const int32_t *table_a, *table_b;
  const int32_t *constants;
  int32_t rounding; /* CPCC_TFLITE or CPCC_TFLITE_RELU */
  int32_t low, high;
} cpcc_add_table_tflite_t;

void cpcc_add_table_tflite(const cpcc_add_table_tflite_t *layer, const int8_t *a, const int8_t *b, int8_t *y,
                           int8_t *scratch);

#endif
