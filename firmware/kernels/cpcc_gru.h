#ifndef CPCC_GRU_H
#define CPCC_GRU_H

#include "cpcc_recurrent.h"

typedef cpcc_recurrent_t cpcc_gru_t;

/* All steps from the initial state. `scratch` holds 3 * units bytes. */
void cpcc_gru(const cpcc_gru_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

/* One step: `x` the inputs, `h` the units of the step before, `y` (elsewhere) the new ones, `state` 2 * units bytes that the
   caller keeps from step to step. State and `h` begin as zeros, or as `initial` has them. */
void cpcc_gru_step(const cpcc_gru_t *layer, const int8_t *x, const int8_t *h, int8_t *y, int8_t *state);

#endif
