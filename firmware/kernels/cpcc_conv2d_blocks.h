#ifndef CPCC_CONV2D_BLOCKS_H
#define CPCC_CONV2D_BLOCKS_H

#include "cpcc_runs.h"

/* 1x4 blocks of inputs of one tap: an entry is a distance in blocks and four weights. Wider gaps are bridged by blocks of zeros. */
typedef cpcc_runs_t cpcc_conv2d_blocks_t;

void cpcc_conv2d_blocks(const cpcc_conv2d_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_conv2d_blocks_tflite(const cpcc_conv2d_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
