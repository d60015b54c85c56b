#ifndef CPCC_LINEAR_NEAR_BLOCKS_H
#define CPCC_LINEAR_NEAR_BLOCKS_H

#include "cpcc_fixed.h"

/* Weights in blocks of four consecutive inputs. A block's distance from the one before, the first one's from the row's first block, is in
 * half bytes, the lower half first: each that is CPCC_FAR says that another one follows and adds to it. */
typedef struct {
  int32_t out_features;
  const uint16_t *counts; /* blocks of a row */
  const uint8_t *deltas;
  const int8_t *weights;
  cpcc_output_t output;
} cpcc_linear_near_blocks_t;

#define CPCC_FAR 15

void cpcc_linear_near_blocks(const cpcc_linear_near_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_linear_near_blocks_tflite(const cpcc_linear_near_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
