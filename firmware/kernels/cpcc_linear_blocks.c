#include "cpcc_linear_blocks.h"

#include "cpcc_block_product.h"

CPCC_INLINE void run(const cpcc_linear_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const uint8_t *delta = layer->deltas;
  const int8_t *weight = layer->weights;
  (void)scratch;
  for (int32_t row = 0; row < layer->out_features; row++) {
    const int8_t *p = x;
    int32_t acc = layer->output.bias[row];
    for (const uint8_t *end = delta + layer->counts[row]; delta != end; weight += 4) {
      p += 4 * *delta++;
      acc = cpcc_block_product(weight, p, acc);
    }
    y[row] = cpcc_requantize_as(tflite, &layer->output, row, acc);
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_linear_blocks)
