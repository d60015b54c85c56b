#include "cpcc_linear_wide.h"

CPCC_INLINE void run(const cpcc_linear_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch, int is_long) {
  const int32_t size = layer->in_features;
  const cpcc_wide_output_t *out = &layer->output;
  const int8_t *w = layer->weights;
  (void)scratch;
  for (int32_t row = 0; row < layer->out_features; row++, w += size) {
    y[row] = is_long ? cpcc_wide_round_long(out, row, cpcc_wide_dot_long(out->bias[row], w, 1, x, 1, size))
                     : cpcc_wide_round(out, row, cpcc_wide_dot(out->bias[row], w, 1, x, 1, size));
  }
}

CPCC_BOTH_SUMS(cpcc_linear_wide)
