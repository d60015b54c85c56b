#include "cpcc_linear_blocks.h"

#include "cpcc_dsp.h"

static int32_t block(const int8_t *w, const int8_t *x, int32_t acc) {
#if CPCC_DSP
  const uint32_t a = cpcc_load4(w), b = cpcc_load4(x);
  return cpcc_smlad(cpcc_sxtb16(a), cpcc_sxtb16(b), cpcc_smlad(cpcc_sxtb16_high(a), cpcc_sxtb16_high(b), acc));
#else
  return acc + w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3];
#endif
}

CPCC_INLINE void run(const cpcc_linear_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const uint8_t *delta = layer->deltas;
  const int8_t *weight = layer->weights;
  (void)scratch;
  for (int32_t row = 0; row < layer->out_features; row++) {
    const int8_t *p = x;
    int32_t acc = layer->output.bias[row];
    for (const uint8_t *end = delta + layer->counts[row]; delta != end; weight += 4) {
      p += 4 * *delta++;
      acc = block(weight, p, acc);
    }
    y[row] = cpcc_requantize_as(tflite, &layer->output, row, acc);
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_linear_blocks)
