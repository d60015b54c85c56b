#ifndef CPCC_PAD_H
#define CPCC_PAD_H

#include "cpcc_fixed.h"

/* The input with its borders: `x` itself where nothing is padded, else a copy in `scratch`. One copy per layer
   spares every kernel the tests for borders in its inner loops. */
const int8_t *cpcc_pad(const cpcc_window_t *window, const int8_t *x, int8_t *scratch);

#endif
