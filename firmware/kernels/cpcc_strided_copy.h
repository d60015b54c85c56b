#ifndef CPCC_STRIDED_COPY_H
#define CPCC_STRIDED_COPY_H

#include "cpcc_fixed.h"

#define CPCC_COPY_LOOPS 6

/* y takes `rows` runs of `inner` elements, `step` apart. Runs begin where the odometer of `loops` outer loops (sizes[],
   strides[], outermost first) points, from x + offset. */
typedef struct {
  int32_t offset, rows, inner, step, loops;
  const int32_t *sizes;
  const int32_t *strides;
} cpcc_strided_copy_t;

void cpcc_strided_copy(const cpcc_strided_copy_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
