#ifndef CPCC_SWAR2_H
#define CPCC_SWAR2_H

#include "cpcc_swar.h"

/* The tile of cpcc_swar.h with two output channels at a time, for Armv6-M, whose eight low registers alone can
 * multiply. `weights` has, per two channels and chunk: a halfword, the distance that skips the unrolled steps not needed;
 * two weights for each input. `constants` are those of cpcc_swar.h for two channels. */
#define CPCC_SWAR2_STEPS 16
#define CPCC_SWAR2_STEP_BYTES 28

void cpcc_swar2(const cpcc_swar_t *tile, int8_t *y);

#endif
