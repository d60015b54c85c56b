#include "cpcc_linear_wide_dual.h"

#include "cpcc_wide2x2.h"

/* x itself where it is whole groups, else a copy filled up with zeros. */
static const uint32_t *whole_groups(const cpcc_linear_wide_dual_t *layer, const int16_t *x, int8_t *scratch) {
  int16_t *copy = (int16_t *)(void *)scratch;
  if (4 * layer->groups == layer->in_features) {
    return (const uint32_t *)(const void *)x;
  }
  cpcc_wide_copy(copy, x, layer->in_features);
  cpcc_wide_fill(copy, layer->in_features, layer->groups);
  return (const uint32_t *)(const void *)copy;
}

/* Two rows of one patch. */
static cpcc_wide2x2_t two_rows(cpcc_wide2x2_t sum, const uint32_t *w, const uint32_t *x, int32_t groups) {
  for (int32_t i = 0; i < groups; i++) {
    const uint32_t a = w[0], b = w[1];
    sum.a0 = cpcc_smlad(cpcc_sxtb16_high(a), x[1], cpcc_smlad(cpcc_sxtb16(a), x[0], sum.a0));
    sum.b0 = cpcc_smlad(cpcc_sxtb16_high(b), x[1], cpcc_smlad(cpcc_sxtb16(b), x[0], sum.b0));
    w += 2;
    x += 2;
  }
  return sum;
}

void cpcc_linear_wide_dual(const cpcc_linear_wide_dual_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {
  const cpcc_wide_output_t *out = &layer->output;
  const uint32_t *patch = whole_groups(layer, x, scratch), *w = layer->weights;
  int32_t row = 0;
  for (; row + 1 < layer->out_features; row += 2, w += 2 * layer->groups) {
    cpcc_wide2x2_t sum = {out->bias[row], out->bias[row + 1], 0, 0};
    sum = two_rows(sum, w, patch, layer->groups);
    y[row] = cpcc_wide_round(out, row, sum.a0);
    y[row + 1] = cpcc_wide_round(out, row + 1, sum.b0);
  }
  if (row < layer->out_features) {
    const cpcc_wide2x2_t sum = {out->bias[row], 0, 0, 0};
    y[row] = cpcc_wide_round(out, row, two_rows(sum, w, patch, layer->groups).a0);
  }
}
