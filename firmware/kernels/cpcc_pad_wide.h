#ifndef CPCC_PAD_WIDE_H
#define CPCC_PAD_WIDE_H

#include "cpcc_fixed.h"

/* As cpcc_pad, of int16 inputs, whose zero point is 0. */
const int16_t *cpcc_pad_wide(const cpcc_window_t *window, const int16_t *x, int8_t *scratch);

#endif
