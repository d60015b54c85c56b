#include "cpcc_linear_dense.h"

/* Two rows at a time: each input is loaded once for both. */
CPCC_INLINE void run(const cpcc_linear_dense_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const int32_t in_features = layer->in_features;
  const int32_t out_features = layer->out_features;
  const int8_t *a = layer->weights;
  int32_t row = 0;
  (void)scratch;
  for (; row + 1 < out_features; row += 2) {
    const int8_t *b = a + in_features;
    int32_t acc_a = layer->output.bias[row];
    int32_t acc_b = layer->output.bias[row + 1];
    for (int32_t i = 0; i < in_features; i++) {
      const int32_t value = x[i];
      acc_a += *a++ * value;
      acc_b += *b++ * value;
    }
    y[row] = cpcc_requantize_as(tflite, &layer->output, row, acc_a);
    y[row + 1] = cpcc_requantize_as(tflite, &layer->output, row + 1, acc_b);
    a = b;
  }
  if (row < out_features) {
    int32_t acc = layer->output.bias[row];
    for (int32_t i = 0; i < in_features; i++) {
      acc += *a++ * x[i];
    }
    y[row] = cpcc_requantize_as(tflite, &layer->output, row, acc);
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_linear_dense)
