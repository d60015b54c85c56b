#ifndef CPCC_BLOCKS8_H
#define CPCC_BLOCKS8_H

#include "cpcc_tiles8.h"

/* Rows of 1x4 blocks times eight pixels. Four channels of a pixel are two words of halfwords, 0 and 2, then 1 and 3; a block
 * has those of eight consecutive pixels.
 * The stream has, per output channel and without gaps: the bias; a jump; blocks of a byte, the distance from the previous
 * one in pixels, and four weights; after every 8 blocks, counted from the last, and at the end another jump; the channel's
 * constants (see cpcc_rounding.h). A channel whose output is one value has that value behind its first jump and nothing
 * more. Jumps are 16-bit distances in code, as in cpcc_sparse8.h. cpcc/formats/blocks8.py writes it. */
void cpcc_blocks8(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job);

/* With the constants apart from the stream, for weights that several layers share: per channel the bias and what
 * cpcc_rounding.h says, and a last word that is read and not used; the stream has the jumps and blocks of each channel alone,
 * each channel's as if its output varied. `job` is a cpcc_blocks8_apart_t. */
typedef struct {
  cpcc_tiles8_run_t run;
  const int32_t *constants;
} cpcc_blocks8_apart_t;
void cpcc_blocks8_apart(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job);

/* The words of all channels of an input row at `row`. Channels are a multiple of four. */
void cpcc_blocks8_load(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job);

#endif
