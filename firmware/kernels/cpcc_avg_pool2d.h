#ifndef CPCC_AVG_POOL2D_H
#define CPCC_AVG_POOL2D_H

#include "cpcc_fixed.h"

/* `rows` and `cols` hold (start, stop) per output row and column. Window (i, j) is divided by
   divisors[divisor_class[i * out_w + j]] (by divisors[0] where all are one, `uniform`), as an exact multiplication by
   multipliers[] and a right shift by shifts[]; a divisor beyond the area counts padding that holds zero_point. */
typedef struct {
  int32_t in_w, channels, out_h, out_w;
  int32_t zero_point;
  const uint16_t *rows;
  const uint16_t *cols;
  int32_t uniform;
  const uint8_t *divisor_class;
  const int32_t *divisors;
  const uint32_t *multipliers;
  const uint8_t *shifts;
} cpcc_avg_pool2d_t;

void cpcc_avg_pool2d(const cpcc_avg_pool2d_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
