#ifndef CPCC_DEPTHWISE_TALL_H
#define CPCC_DEPTHWISE_TALL_H

#include "cpcc_fixed.h"

/* Depthwise 3x3 of stride 1 and at least four channels for images of few columns: the products of cpcc_depthwise_paired.h, its
 * arrays too, two columns at a time from the top to the bottom. The pairs of rows of a column lie one behind the other, so each
 * is stored once and one load finds a strip's both. */
typedef struct {
  cpcc_window_t window;
  int32_t rows; /* of output held at a time: even, or all; 2 to 29 */
  const int32_t *stream, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_depthwise_tall_t;

/* scratch: 64 bytes, then 256 for each column of the padded input. */
void cpcc_depthwise_tall(const cpcc_depthwise_tall_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
