#ifndef CPCC_ADD_AFFINE_TABLE_H
#define CPCC_ADD_AFFINE_TABLE_H

#include "cpcc_fixed.h"

/* Sum of two tensors of which the compiler found that it is, for every pair of operands,
 * (table_a[a] + table_b[b]) >> 20. For cores without the DSP extension. */
typedef struct {
  int32_t size;
  const int32_t *table_a, *table_b; /* of 256 each, by the operand as a byte */
  int32_t low, high;
} cpcc_add_affine_table_t;

/* y may be a or b. */
void cpcc_add_affine_table(const cpcc_add_affine_table_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch);

#endif
