#ifndef CPCC_CONVERT_H
#define CPCC_CONVERT_H

#include "cpcc_fixed.h"

/* y = saturate(round((x - in_zero_point) * scale) + zero_point). Names say the bits of x and of y. */
typedef struct {
  int32_t size;
  int32_t in_zero_point, multiplier, left_shift, zero_point;
} cpcc_convert_t;

void cpcc_convert_8_8(const cpcc_convert_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_convert_8_16(const cpcc_convert_t *layer, const int8_t *x, int16_t *y, int8_t *scratch);
void cpcc_convert_16_8(const cpcc_convert_t *layer, const int16_t *x, int8_t *y, int8_t *scratch);
void cpcc_convert_16_16(const cpcc_convert_t *layer, const int16_t *x, int16_t *y, int8_t *scratch);

#endif
