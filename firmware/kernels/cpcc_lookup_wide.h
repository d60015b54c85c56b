#ifndef CPCC_LOOKUP_WIDE_H
#define CPCC_LOOKUP_WIDE_H

#include "cpcc_interpolate.h"

/* `table` has 513 entries: the outputs for -32768, -32640, ... 32768. */
typedef struct {
  int32_t size;
  const int16_t *table;
} cpcc_lookup_wide_t;

void cpcc_lookup_wide(const cpcc_lookup_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
