#ifndef CPCC_MVE4X2_H
#define CPCC_MVE4X2_H

#include "cpcc_mve.h"

/* In the assembly's order. */
typedef struct {
  int32_t blocks, out_channels;
  const int32_t *weights, *constants; /* see cpcc_conv2d_mve.h */
  int32_t rounding;                   /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_mve4x2_t;

/* All channels of two pixels with patches x[0] and x[1], to y[0] and y[1]. */
void cpcc_mve4x2(const cpcc_mve4x2_t *tile, const int8_t *const x[2], int8_t *const y[2]);

/* Copies `rows` runs of `run` bytes, `pitch` bytes from one to the next, one behind the other. */
void cpcc_mve_patch(int8_t *d, const int8_t *x, int32_t rows, int32_t run, int32_t pitch);

#endif
