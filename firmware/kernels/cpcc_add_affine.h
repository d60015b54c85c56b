#ifndef CPCC_ADD_AFFINE_H
#define CPCC_ADD_AFFINE_H

#include "cpcc_fixed.h"

/* Sum of two tensors of which the compiler found that it is, for every pair of operands,
 * (multiplier_a * a + multiplier_b * b + offset) >> 20, each product by 2^-8 and rounded down. */
typedef struct {
  int32_t size;
  int32_t multiplier_a, multiplier_b;
  int32_t offset;
  int32_t low, high;
} cpcc_add_affine_t;

/* y may be a or b. */
void cpcc_add_affine(const cpcc_add_affine_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch);

#endif
