#include "cpcc_linear_near_blocks.h"

#include "cpcc_block_product.h"

CPCC_INLINE void run(const cpcc_linear_near_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const int8_t *weight = layer->weights;
  int32_t at = 0; /* half bytes read */
  (void)scratch;
  for (int32_t row = 0; row < layer->out_features; row++) {
    const int8_t *p = x;
    int32_t acc = layer->output.bias[row];
    for (int32_t left = layer->counts[row]; left > 0; left--, weight += 4) {
      int32_t half = 0;
      do {
        half = layer->deltas[at >> 1] >> 4 * (at & 1) & CPCC_FAR;
        p += 4 * half;
        at++;
      } while (half == CPCC_FAR);
      acc = cpcc_block_product(weight, p, acc);
    }
    y[row] = cpcc_requantize_as(tflite, &layer->output, row, acc);
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_linear_near_blocks)
