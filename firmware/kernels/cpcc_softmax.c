#include "cpcc_softmax.h"
#include "cpcc_exponentials.h"

static void row(const cpcc_softmax_t *layer, const int8_t *x, int8_t *y) {
  const int32_t largest = cpcc_row_maximum(x, layer->classes);
  const int32_t sum = cpcc_exponential_sum(layer->exponentials, layer->last, x, layer->classes, largest);
  const int32_t zeros = cpcc_leading_zeros((uint32_t)sum);
  const int32_t scale = cpcc_reciprocal(((uint32_t)sum << zeros) - (1u << 31));
  const int32_t shift = CPCC_SUM_INTEGER_BITS - zeros + 31 - 8;
  for (int32_t i = 0; i < layer->classes; i++) {
    const int32_t exponential = layer->exponentials[cpcc_min(largest - x[i], layer->last)];
    const int32_t q = cpcc_rounded(cpcc_product31(scale, exponential), shift);
    y[i] = (int8_t)cpcc_min(q - 128, 127);
  }
}

void cpcc_softmax(const cpcc_softmax_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->rows; i++) {
    row(layer, x, y);
    x += layer->classes;
    y += layer->classes;
  }
}
