#ifndef CPCC_LINEAR_PAIRED_H
#define CPCC_LINEAR_PAIRED_H

#include "cpcc_fixed.h"

/* Four weights in a word, one unpacking for four products, one sum.
 * Of four inputs a b c d, a and c have 128 added (the bias makes up for it), so their word's halves are
 *   h = (256 * b + a, 256 * d + c), and its low bytes crosswise y = (c, a).
 * The word of the weights w x y z of a row holds u = (256 * y - z, 256 * -w + x); its low bytes crosswise, signed, are
 * v = (x, -z). With SMLSD, the product of the low halves less that of the high ones,
 *   h . v + y . u = 256 * (b * x + a * w + d * z + c * y):
 * what a half's low byte adds to one product, it takes away in the other. Sums are exact while they stay below 2^23, which
 * the compiler proves.
 * The stream has, per four rows: per four inputs a word of each row; four biases; four channels' constants (see
 * cpcc_rounding.h; biases are doubled where twice the accumulator is rounded). Rows that remain come one by one: words,
 * bias, constants. */
typedef struct {
  int32_t blocks; /* of four inputs, even */
  int32_t out_features;
  const int32_t *stream;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_linear_paired_t;

/* scratch: 8 bytes per block. */
void cpcc_linear_paired(const cpcc_linear_paired_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
