#ifndef CPCC_GRU_RESET_BEFORE_H
#define CPCC_GRU_RESET_BEFORE_H

#include "cpcc_recurrent.h"

typedef cpcc_recurrent_t cpcc_gru_reset_before_t;

/* All steps from the initial state. `scratch` holds 3 * units bytes. */
void cpcc_gru_reset_before(const cpcc_gru_reset_before_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

/* One step, as of cpcc_gru.h. Meanwhile `y` holds the state times the reset gate. */
void cpcc_gru_reset_before_step(const cpcc_gru_reset_before_t *layer, const int8_t *x, const int8_t *h, int8_t *y,
                                int8_t *state);

#endif
