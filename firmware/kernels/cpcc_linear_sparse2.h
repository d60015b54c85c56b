#ifndef CPCC_LINEAR_SPARSE2_H
#define CPCC_LINEAR_SPARSE2_H

#include "cpcc_fixed.h"

/* Sparse rows at two bytes per nonzero: a word has two entries, each an input's distance from the one before and its
 * weight. The stream has, per row: two 16-bit jumps; zero to three words; blocks of four words; after every eight blocks,
 * counted from the last, and at the end another jump, in a word. Jumps are distances in code: a row enters unrolled words and
 * blocks as far from their end as it has words and blocks. Apart from it, so that layers with the same weights share that:
 * per row the bias and the channel's constants (see cpcc_rounding.h), and a last word that is read and not used.
 * `sparse2_stream` and `row_constants` in cpcc/formats write them. */
typedef struct {
  const int32_t *stream, *constants;
  int32_t out_features;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_linear_sparse2_t;

void cpcc_linear_sparse2(const cpcc_linear_sparse2_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
