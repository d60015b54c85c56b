#ifndef CPCC_LOOKUP_H
#define CPCC_LOOKUP_H

#include "cpcc_fixed.h"

/* `table` has 256 entries: the outputs for -128 ... 127. */
typedef struct {
  int32_t size;
  const int8_t *table;
} cpcc_lookup_t;

void cpcc_lookup(const cpcc_lookup_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
