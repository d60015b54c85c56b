#ifndef CPCC_CONV2D_SPARSE_H
#define CPCC_CONV2D_SPARSE_H

#include "cpcc_runs.h"

/* Single weights: an entry is a distance in inputs and a weight. Wider gaps are bridged by weights of 0. */
typedef cpcc_runs_t cpcc_conv2d_sparse_t;

void cpcc_conv2d_sparse(const cpcc_conv2d_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_conv2d_sparse_tflite(const cpcc_conv2d_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
