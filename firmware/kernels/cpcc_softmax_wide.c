#include "cpcc_softmax_wide.h"

#include "cpcc_exponentials.h"
#include "cpcc_interpolate.h"

static int32_t maximum(const int16_t *x, int32_t size) {
  int32_t largest = x[0];
  for (int32_t i = 1; i < size; i++) {
    largest = cpcc_max(largest, x[i]);
  }
  return largest;
}

/* Writes the exponentials and returns their sum, at least 2^14, since the maximum's is next to 1. */
static int32_t exponentials(const cpcc_softmax_wide_t *layer, const int16_t *x, int16_t *y, int32_t largest) {
  int32_t sum = 0;
  for (int32_t i = 0; i < layer->classes; i++) {
    const int32_t below = cpcc_scale_tflite(x[i] - largest, layer->shift, layer->multiplier) + 32767;
    y[i] = (int16_t)cpcc_interpolate(layer->exponentials, cpcc_max(below, -32768));
    sum += y[i];
  }
  return sum;
}

static void row(const cpcc_softmax_wide_t *layer, const int16_t *x, int16_t *y) {
  const int32_t sum = exponentials(layer, x, y, maximum(x, layer->classes));
  const int32_t zeros = cpcc_leading_zeros((uint32_t)sum), shift = 31 - zeros;
  const int32_t fraction = (int32_t)(((((uint32_t)sum << (zeros - 1)) + (1u << 13)) >> 14) - (1u << 16));
  const int32_t reciprocal = cpcc_interpolate(layer->reciprocals, cpcc_min(fraction - 32768, 32767));
  for (int32_t i = 0; i < layer->classes; i++) {
    y[i] = (int16_t)cpcc_min((y[i] * reciprocal + (1 << (shift - 1))) >> shift, 32767);
  }
}

void cpcc_softmax_wide(const cpcc_softmax_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->rows; i++) {
    row(layer, x, y);
    x += layer->classes;
    y += layer->classes;
  }
}
