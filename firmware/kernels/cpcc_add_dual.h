#ifndef CPCC_ADD_DUAL_H
#define CPCC_ADD_DUAL_H

#include "cpcc_fixed.h"

/* As cpcc_add.h, four elements at a time; the low halfword of `multipliers` is the first operand's. */
typedef struct {
  int32_t size;
  int32_t multipliers;
  int32_t offset, shift;
  int32_t low, high;
} cpcc_add_dual_t;

void cpcc_add_dual(const cpcc_add_dual_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch);

#endif
