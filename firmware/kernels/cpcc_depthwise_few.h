#ifndef CPCC_DEPTHWISE_FEW_H
#define CPCC_DEPTHWISE_FEW_H

#include "cpcc_depthwise_rows.h"

/* Weights of few levels: `bits` each hold a multiple of the channel's step, one behind the other from the lowest bit of the first byte
 * on. A byte more than they fill is read. */
typedef struct {
  cpcc_depthwise_rows_t rows;
  int32_t bits;        /* 2 to 4 */
  int32_t step_stride; /* 1; 0: one step for all channels */
  const uint8_t *multiples;
  const uint8_t *steps;
} cpcc_depthwise_few_t;

void cpcc_depthwise_few(const cpcc_depthwise_few_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_depthwise_few_tflite(const cpcc_depthwise_few_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
