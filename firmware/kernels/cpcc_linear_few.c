#include "cpcc_linear_few.h"

#include "cpcc_nibbles.h"

CPCC_INLINE void run(const cpcc_linear_few_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const uint8_t *at = layer->entries;
  const int32_t bits = layer->bits;
  (void)scratch;
  for (int32_t row = 0; row < layer->out_features; row++) {
    const int8_t *p = x;
    int32_t sum = 0;
    for (const uint8_t *end = at + layer->counts[row]; at != end;) {
      const uint32_t entry = *at++;
      p += entry >> bits;
      sum += cpcc_low_bits(entry, bits) * *p;
    }
    y[row] = cpcc_requantize_as(tflite, &layer->output, row, layer->output.bias[row] + layer->steps[row] * sum);
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_linear_few)
