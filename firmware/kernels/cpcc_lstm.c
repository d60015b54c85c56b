#include "cpcc_lstm.h"

static int32_t gate(const cpcc_lstm_t *layer, int32_t row, const int8_t *x, const int8_t *h) {
  return cpcc_saturate16(cpcc_gate(&layer->input, row, x, layer->inputs) +
                         cpcc_gate(&layer->hidden, row, h, layer->units));
}

void cpcc_lstm_step(const cpcc_lstm_t *layer, const int8_t *x, const int8_t *h, int8_t *y, int8_t *state) {
  const int32_t units = layer->units;
  for (int32_t unit = 0; unit < units; unit++) {
    const int32_t in = cpcc_gate_function(layer->sigmoid, gate(layer, unit, x, h));
    const int32_t keep = cpcc_gate_function(layer->sigmoid, gate(layer, units + unit, x, h));
    const int32_t value = cpcc_gate_function(layer->tanh, gate(layer, 2 * units + unit, x, h));
    const int32_t out = cpcc_gate_function(layer->sigmoid, gate(layer, 3 * units + unit, x, h));
    const int32_t kept = (keep * cpcc_load_state(state, unit) + (1 << 14)) >> 15;
    const int32_t cell = cpcc_saturate16(kept + ((in * value + (1 << 17)) >> 18));
    cpcc_store_state(state, unit, cell);
    y[unit] = cpcc_to_int8((out * cpcc_gate_function(layer->tanh, cell) + (1 << 14)) >> 15);
  }
}

void cpcc_lstm(const cpcc_lstm_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const int8_t *h = scratch + 2 * layer->units;
  cpcc_begin(layer, scratch);
  for (int32_t step = 0; step < layer->steps; step++) {
    cpcc_lstm_step(layer, x, h, y, scratch);
    h = y;
    x += layer->inputs;
    y += layer->units;
  }
}
