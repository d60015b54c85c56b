#include "cpcc_linear_unrolled.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"
#include "cpcc_widen.h"

#if !CPCC_DSP
typedef struct {
  const uint32_t *x;
  const int32_t *stream, *constants;
  uint32_t r[15];
} state_t;

static void load(state_t *state, int32_t first, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    state->r[first + i] = (uint32_t)*state->stream++;
  }
}

/* From `at` bytes on. */
static void load_at(state_t *state, int32_t first, int32_t count, int32_t at) {
  for (int32_t i = 0; i < count; i++) {
    state->r[first + i] = (uint32_t)state->constants[at / 4 + i];
  }
}

static int32_t half(uint32_t word, int32_t top) { return (int16_t)(top != 0 ? word >> 16 : word & 0xFFFFu); }

static int8_t rounded(const state_t *state, const cpcc_unrolled_t *step) {
  const uint32_t *r = state->r;
  const int32_t constants[3] = {(int32_t)r[step->b], (int32_t)r[step->c], step->d};
  const int32_t kind = step->op == CPCC_ROUND          ? CPCC_ONCE
                       : step->op == CPCC_ROUND_TFLITE ? CPCC_TFLITE
                                                       : CPCC_TFLITE_RELU;
  return cpcc_round(kind, constants, (int32_t)r[2], (int32_t)r[step->a]);
}

void cpcc_unrolled_run(cpcc_program_t program, const uint32_t *x, const int32_t *stream, int8_t *y, const int32_t *constants) {
  state_t state = {x, stream, constants, {0}};
  uint32_t *r = state.r;
  for (const cpcc_unrolled_t *step = program; step->op != CPCC_END; step++) {
    switch (step->op) {
      case CPCC_START: load(&state, 8, 5); break;
      case CPCC_START_AT: load_at(&state, 8, 5, step->a); break;
      case CPCC_CONSTANTS_AT: load_at(&state, 2, 6, step->a); break;
      case CPCC_CONSTANTS: load(&state, 2, step->a); break;
      case CPCC_W: load(&state, 6, 2); load(&state, 14, 1); break;
      case CPCC_X4:
        for (int32_t i = 0; i < 4; i++) {
          r[2 + i] = *state.x++;
        }
        break;
      case CPCC_BACK: state.x -= step->a / 4; break;
      case CPCC_X2: r[step->a] = state.x[step->c / 4]; r[step->b] = state.x[step->c / 4 + 1]; break;
      case CPCC_X1: r[step->a] = state.x[step->b / 4]; break;
      case CPCC_MAC:
        r[step->a] += (uint32_t)(half(r[step->b], step->c) * half(r[step->d], step->e));
        break;
      default: y[step->e] = rounded(&state, step); break;
    }
  }
}
#endif

void cpcc_unrolled_widen(int8_t *scratch, const int8_t *x, int32_t blocks) {
  cpcc_widen((uint32_t *)(void *)scratch, x, blocks);
}

void cpcc_unrolled_saturate(int8_t *y, int32_t count, int32_t low, int32_t high) { cpcc_saturate(y, count, low, high); }
