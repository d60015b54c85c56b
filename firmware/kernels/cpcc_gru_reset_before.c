#include "cpcc_gru_reset_before.h"

/* Q3.12 argument of a gate of row `row`, whose hidden operand is `h`. */
static int32_t argument(const cpcc_gru_reset_before_t *layer, int32_t row, const int8_t *x, const int8_t *h) {
  return cpcc_saturate16(cpcc_gate(&layer->input, row, x, layer->inputs) +
                         cpcc_gate(&layer->hidden, row, h, layer->units));
}

void cpcc_gru_reset_before_step(const cpcc_gru_reset_before_t *layer, const int8_t *x, const int8_t *h, int8_t *y,
                                int8_t *state) {
  const int32_t units = layer->units;
  for (int32_t unit = 0; unit < units; unit++) {
    const int32_t r = cpcc_gate_function(layer->sigmoid, argument(layer, unit, x, h));
    y[unit] = (int8_t)cpcc_min((r * cpcc_load_state(state, unit) + (1 << 22)) >> 23, 127);
  }
  for (int32_t unit = 0; unit < units; unit++) {
    const int32_t z = cpcc_gate_function(layer->sigmoid, argument(layer, units + unit, x, h));
    const int32_t n = cpcc_gate_function(layer->tanh, argument(layer, 2 * units + unit, x, y));
    cpcc_store_state(state, unit, n + ((z * (cpcc_load_state(state, unit) - n) + (1 << 14)) >> 15));
  }
  for (int32_t unit = 0; unit < units; unit++) {
    y[unit] = cpcc_to_int8(cpcc_load_state(state, unit));
  }
}

void cpcc_gru_reset_before(const cpcc_gru_reset_before_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const int8_t *h = scratch + 2 * layer->units;
  cpcc_begin(layer, scratch);
  for (int32_t step = 0; step < layer->steps; step++) {
    cpcc_gru_reset_before_step(layer, x, h, y, scratch);
    h = y;
    x += layer->inputs;
    y += layer->units;
  }
}
