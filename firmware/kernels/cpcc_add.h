#ifndef CPCC_ADD_H
#define CPCC_ADD_H

#include "cpcc_fixed.h"

/* `offset` holds the rounding term and all three zero points. */
typedef struct {
  int32_t size;
  int32_t multiplier_a, multiplier_b;
  int32_t offset, shift;
  int32_t low, high;
} cpcc_add_t;

void cpcc_add(const cpcc_add_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch);

#endif
