#include "cpcc_linear_sparse.h"

CPCC_INLINE void run(const cpcc_linear_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const int32_t out_features = layer->out_features;
  const uint8_t *delta = layer->deltas;
  const int8_t *weight = layer->weights;
  (void)scratch;
  for (int32_t row = 0; row < out_features; row++) {
    const int8_t *p = x;
    int32_t acc = layer->output.bias[row];
    for (const int8_t *end = weight + layer->counts[row]; weight != end;) {
      p += *delta++;
      acc += *weight++ * *p;
    }
    y[row] = cpcc_requantize_as(tflite, &layer->output, row, acc);
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_linear_sparse)
