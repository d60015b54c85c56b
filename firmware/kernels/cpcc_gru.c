#include "cpcc_gru.h"

static int32_t both(const cpcc_gru_t *layer, int32_t row, const int8_t *x, const int8_t *h) {
  return cpcc_saturate16(cpcc_gate(&layer->input, row, x, layer->inputs) +
                         cpcc_gate(&layer->hidden, row, h, layer->units));
}

void cpcc_gru_step(const cpcc_gru_t *layer, const int8_t *x, const int8_t *h, int8_t *y, int8_t *state) {
  const int32_t units = layer->units;
  for (int32_t unit = 0; unit < units; unit++) {
    const int32_t r = cpcc_gate_function(layer->sigmoid, both(layer, unit, x, h));
    const int32_t z = cpcc_gate_function(layer->sigmoid, both(layer, units + unit, x, h));
    const int32_t recalled = (r * cpcc_gate(&layer->hidden, 2 * units + unit, h, units) + (1 << 14)) >> 15;
    const int32_t candidate = cpcc_gate(&layer->input, 2 * units + unit, x, layer->inputs) + recalled;
    const int32_t n = cpcc_gate_function(layer->tanh, cpcc_saturate16(candidate));
    const int32_t next = n + ((z * (cpcc_load_state(state, unit) - n) + (1 << 14)) >> 15);
    cpcc_store_state(state, unit, next);
    y[unit] = cpcc_to_int8(next);
  }
}

void cpcc_gru(const cpcc_gru_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const int8_t *h = scratch + 2 * layer->units;
  cpcc_begin(layer, scratch);
  for (int32_t step = 0; step < layer->steps; step++) {
    cpcc_gru_step(layer, x, h, y, scratch);
    h = y;
    x += layer->inputs;
    y += layer->units;
  }
}
