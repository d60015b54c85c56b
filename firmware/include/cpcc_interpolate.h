/* Functions of one int16 value from 513 entries and straight lines between them. Arithmetic: cpcc/ops/interpolated.py. */
#ifndef CPCC_INTERPOLATE_H
#define CPCC_INTERPOLATE_H

#include "cpcc_fixed.h"

/* table[256] is for 0, the entries are 128 steps of x apart. */
CPCC_INLINE int32_t cpcc_interpolate(const int16_t *table, int32_t x) {
  const int16_t *entry = table + 256 + (x >> 7);
  return entry[0] + (((entry[1] - entry[0]) * (x & 127) + 64) >> 7);
}

#endif
