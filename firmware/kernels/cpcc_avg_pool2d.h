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

/* sum / divisor, rounded half away from zero. The sign is handled with masks, not branches: the time must not
   depend on the data. */
static inline int32_t cpcc_average(const cpcc_avg_pool2d_t *layer, int32_t sum, int32_t class) {
  const int32_t sign = sum >> 31;
  const uint32_t n = (uint32_t)((sum ^ sign) - sign) + (uint32_t)layer->divisors[class] / 2u;
  const int32_t quotient = (int32_t)(((uint64_t)n * layer->multipliers[class]) >> layer->shifts[class]);
  return (quotient ^ sign) - sign;
}

void cpcc_avg_pool2d(const cpcc_avg_pool2d_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
