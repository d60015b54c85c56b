#ifndef CPCC_PAD_SPREAD_H
#define CPCC_PAD_SPREAD_H

#include "cpcc_fixed.h"

/* y is filled with `value`; then element (i, j, k) of x goes to y[start + i * step_h + j * step_w + k * step_c]. */
typedef struct {
  int32_t h, w, channels, out_size, value;
  int32_t start, step_h, step_w, step_c;
} cpcc_pad_spread_t;

void cpcc_pad_spread(const cpcc_pad_spread_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
