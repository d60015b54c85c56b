#ifndef CPCC_LINEAR_PAIRED_H
#define CPCC_LINEAR_PAIRED_H

#include "cpcc_fixed.h"

/* Two rows in a word. A halfword of the stream holds 256 * b + a, weights of rows A and B for one input, so SMLAD gives
 * 256 * B + A, and SMLAD with SXTB16 of the same word gives A alone: one unpacking for four products. B is exact while
 * it stays below 2^23, which the compiler proves.
 * The stream has, per four rows A0 B0 A1 B1: bias of A0 and A1; per four inputs the words A0B0 (0, 2), A1B1 (0, 2),
 * A0B0 (1, 3), A1B1 (1, 3); bias of B0 and B1; four channels' constants (see cpcc_rounding.h). Rows that remain come in
 * pairs: bias of A, words, bias of B, two channels' constants. */
typedef struct {
  int32_t blocks; /* of four inputs */
  int32_t out_features;
  const int32_t *stream;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_linear_paired_t;

/* scratch: 8 bytes per block. */
void cpcc_linear_paired(const cpcc_linear_paired_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
