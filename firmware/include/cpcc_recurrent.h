#ifndef CPCC_RECURRENT_H
#define CPCC_RECURRENT_H

#include "cpcc_fixed.h"

/* Weights (gates * units rows) of one operand, and how its products become Q3.12. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias;
  const int32_t *multiplier;
  int32_t left_shift;
} cpcc_gates_t;

/* A recurrent layer. `sigmoid` and `tanh` hold 257 values in Q0.15 over [-8, 8]. `initial` holds what the scratch memory begins
 * with, 3 * units bytes: the states, low bytes first, and the units before the first step; 0 stands for zeros. */
typedef struct {
  int32_t steps, inputs, units;
  cpcc_gates_t input;
  cpcc_gates_t hidden;
  const int16_t *sigmoid;
  const int16_t *tanh;
  const int8_t *initial;
} cpcc_recurrent_t;

/* Lays the initial state into the scratch memory. */
static inline void cpcc_begin(const cpcc_recurrent_t *layer, int8_t *scratch) {
  const int32_t size = 3 * layer->units;
  if (layer->initial == 0) {
    for (int32_t i = 0; i < size; i++) {
      scratch[i] = 0;
    }
  } else {
    for (int32_t i = 0; i < size; i++) {
      scratch[i] = layer->initial[i];
    }
  }
}

static inline int32_t cpcc_saturate16(int32_t x) { return cpcc_clamp(x, -32768, 32767); }

/* Q3.12 of row `row`, saturated. */
static inline int32_t cpcc_gate(const cpcc_gates_t *gates, int32_t row, const int8_t *x, int32_t size) {
  const int8_t *w = gates->weights + row * size;
  int32_t acc = gates->bias[row];
  for (int32_t i = 0; i < size; i++) {
    acc += w[i] * x[i];
  }
  return cpcc_saturate16(cpcc_scale(acc, gates->left_shift, gates->multiplier[row]));
}

/* A table's value in Q0.15 at an int16 argument in Q3.12. */
static inline int32_t cpcc_gate_function(const int16_t *table, int32_t x) {
  const int16_t *at = table + ((x + 32768) >> 8);
  return at[0] + (((at[1] - at[0]) * (x & 255) + 128) >> 8);
}

/* Q0.15 to int8, halves up. */
static inline int8_t cpcc_to_int8(int32_t x) { return (int8_t)cpcc_min((x + 128) >> 8, 127); }

/* The int16 states of a layer as bytes, little end first: scratch memory has no alignment to promise. */
static inline int32_t cpcc_load_state(const int8_t *state, int32_t unit) {
  return (uint8_t)state[2 * unit] + state[2 * unit + 1] * 256;
}

static inline void cpcc_store_state(int8_t *state, int32_t unit, int32_t value) {
  state[2 * unit] = (int8_t)((value & 255) - ((value & 128) << 1));
  state[2 * unit + 1] = (int8_t)(value >> 8);
}

#endif
