#ifndef CPCC_PAD_SPREAD_WIDE_H
#define CPCC_PAD_SPREAD_WIDE_H

#include "cpcc_pad_spread.h"

/* As cpcc_pad_spread, of int16 tensors, whose zero point is 0. */
typedef cpcc_pad_spread_t cpcc_pad_spread_wide_t;

void cpcc_pad_spread_wide(const cpcc_pad_spread_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
