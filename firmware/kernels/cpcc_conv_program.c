#include "cpcc_conv_program.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"

#if !CPCC_DSP
typedef struct {
  const int8_t *x;
  int8_t *y;
  const int32_t *stream;
  const cpcc_conv_program_step_t *loop; /* the step behind C_LOOP */
  uint32_t r[13];
} state_t;

static void load(state_t *state, int32_t first, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    state->r[first + i] = (uint32_t)*state->stream++;
  }
}

static void load_constants(state_t *state, const cpcc_conv_program_step_t *step) {
  if (step->op == CPCC_C_AFFINE_LOAD) {
    load(state, 6, 2);
    load(state, 9, 1);
    return;
  }
  if (step->a == 4) {
    load(state, 0, 1);
  }
  load(state, 6, 4 + cpcc_min(step->a, 3));
}

/* The byte or halfword of a product, as a register has it. */
static int32_t half(uint32_t word, int32_t top) { return (int16_t)(top != 0 ? word >> 16 : word & 0xFFFFu); }

static int8_t rounded(const state_t *state, const cpcc_conv_program_step_t *step) {
  const uint32_t *r = state->r;
  const int32_t constants[3] = {(int32_t)r[6], (int32_t)r[7], step->a};
  switch (step->op) {
    case CPCC_C_STORE: return (int8_t)(r[4] & 0xFFu);
    case CPCC_C_AFFINE: return (int8_t)cpcc_ssat8((int32_t)(r[6] * r[4] + r[7]) >> step->a);
    case CPCC_C_ROUND: return cpcc_round(CPCC_ONCE, constants, constants[1], (int32_t)r[4]);
    case CPCC_C_TFLITE: return cpcc_round(CPCC_TFLITE, constants, 0, (int32_t)r[4]);
    default: return cpcc_round(CPCC_TFLITE_RELU, constants, 0, (int32_t)r[4]);
  }
}

/* Gives the step after which the program goes on. */
static const cpcc_conv_program_step_t *next(state_t *state, const cpcc_conv_program_step_t *step) {
  state->x += step->a;
  state->y += step->b;
  return --state->r[9] != 0 ? state->loop : step;
}

void cpcc_conv_program_run(cpcc_conv_program_t program, const int8_t *x, int8_t *y, const int32_t *stream) {
  state_t state = {x, y, stream, program, {0}};
  uint32_t *r = state.r;
  for (const cpcc_conv_program_step_t *step = program; step->op != CPCC_C_END; step++) {
    switch (step->op) {
      case CPCC_C_CHANNEL: state.x = x; state.y = y; break;
      case CPCC_C_LOAD:
      case CPCC_C_AFFINE_LOAD: load_constants(&state, step); break;
      case CPCC_C_FIXED: r[4] = step->a; r[9] = step->b; break;
      case CPCC_C_LOOP: state.loop = step; break;
      case CPCC_C_NEXT: step = next(&state, step); break;
      case CPCC_C_X: r[step->a] = (uint32_t)(int32_t)state.x[step->b]; break;
      case CPCC_C_SET: r[1] = step->a; break;
      case CPCC_C_FIRST: r[4] = r[8] + (uint32_t)(half(r[step->a], 0) * half(r[step->b], step->c)); break;
      case CPCC_C_MAC: r[4] += (uint32_t)(half(r[step->a], 0) * half(r[step->b], step->c)); break;
      default: state.y[step->b] = rounded(&state, step); break;
    }
  }
}
#endif

void cpcc_conv_program_saturate(const cpcc_conv_program_layer_t *layer, int8_t *y) {
  const cpcc_window_t *window = &layer->window;
  cpcc_saturate(y, window->out_h * window->out_w * layer->out_channels, layer->low, layer->high);
}
