#ifndef CPCC_LINEAR_BLOCKS_H
#define CPCC_LINEAR_BLOCKS_H

#include "cpcc_fixed.h"

/* Weights in blocks of four consecutive inputs: per block the blocks from the previous one, and its weights. A wide gap is bridged
 * by blocks of zeros. */
typedef struct {
  int32_t out_features;
  const uint16_t *counts; /* blocks of a row */
  const uint8_t *deltas;
  const int8_t *weights;
  cpcc_output_t output;
} cpcc_linear_blocks_t;

void cpcc_linear_blocks(const cpcc_linear_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_linear_blocks_tflite(const cpcc_linear_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
