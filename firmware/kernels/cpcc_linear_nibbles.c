#include "cpcc_linear_nibbles.h"

#include "cpcc_nibbles.h"

/* The sum of multiples, without the step. */
static int32_t dot(const uint8_t *multiples, const int8_t *x, int32_t count) {
  int32_t sum = 0;
  for (; count > 1; count -= 2, x += 2) {
    const uint32_t pair = *multiples++;
    sum += cpcc_low_nibble(pair) * x[0] + cpcc_high_nibble(pair) * x[1];
  }
  return count > 0 ? sum + cpcc_low_nibble(*multiples) * x[0] : sum;
}

CPCC_INLINE void run(const cpcc_linear_nibbles_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const uint8_t *multiples = layer->multiples;
  (void)scratch;
  for (int32_t row = 0; row < layer->out_features; row++, multiples += (layer->in_features + 1) / 2) {
    const int32_t acc = layer->output.bias[row] + layer->steps[row] * dot(multiples, x, layer->in_features);
    y[row] = cpcc_requantize_as(tflite, &layer->output, row, acc);
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_linear_nibbles)
