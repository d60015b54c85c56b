#ifndef CPCC_ADD_MVE_H
#define CPCC_ADD_MVE_H

#include "cpcc_fixed.h"

/* Sum of two tensors of which the compiler found that it is, for every pair of operands,
 * (multiplier_a * a + multiplier_b * b + offset) >> 20, each product by 2^-7 and rounded down. For Helium. */
typedef struct {
  int32_t size;
  int32_t multiplier_a, multiplier_b;
  int32_t offset;
  int32_t low, high;
} cpcc_add_mve_t;

/* y may be a or b. */
void cpcc_add_mve(const cpcc_add_mve_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch);

#endif
