#ifndef CPCC_STRIDED_COPY_WIDE_H
#define CPCC_STRIDED_COPY_WIDE_H

#include "cpcc_strided_copy.h"

/* As cpcc_strided_copy, of int16 tensors, whose zero point is 0. */
typedef cpcc_strided_copy_t cpcc_strided_copy_wide_t;

void cpcc_strided_copy_wide(const cpcc_strided_copy_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
