#ifndef CPCC_CONV2D_FEW_H
#define CPCC_CONV2D_FEW_H

#include "cpcc_runs.h"

/* Sparse weights of few levels, a byte each: in the low `bits` a multiple of the channel's step, above it the distance in inputs. A wide gap
 * is bridged by multiples of 0. */
typedef struct {
  cpcc_runs_t runs;
  const uint8_t *steps;
  int32_t bits; /* 2 to 4 */
} cpcc_conv2d_few_t;

void cpcc_conv2d_few(const cpcc_conv2d_few_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_conv2d_few_tflite(const cpcc_conv2d_few_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
