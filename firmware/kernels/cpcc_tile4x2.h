#ifndef CPCC_TILE4X2_H
#define CPCC_TILE4X2_H

#include <stdint.h>

#include "cpcc_dsp.h"

/* Four output channels of two pixels at a time, from a stream of paired rows (see cpcc_linear_paired.h) and two widened
 * patches. `x` interleaves the patches word by word: two inputs of pixel 0, the same two of pixel 1. */
typedef struct {
  uint32_t *x;           /* CPCC_TILE_WORDS(steps) words from x - 1 on belong to the tile */
  int32_t steps;         /* words of one patch, above 0 */
  const int32_t *stream; /* of all channels */
  int32_t zero_point;
} cpcc_tile4x2_t;

#define CPCC_TILE_BODY 16 /* steps that the assembly unrolls */

#if CPCC_DSP
extern const uint8_t cpcc_tile4x2_end[]; /* behind the unrolled steps */
void cpcc_tile4x2_channels(int8_t *y0, int8_t *y1, const int8_t *y0_end, const uint32_t *x_end);

/* Lays what the assembly reads around x: the entry into its unrolled steps before, constants behind. */
static inline void cpcc_tile4x2_prepare(const cpcc_tile4x2_t *tile) {
  const uint32_t entered = (uint32_t)(tile->steps - 1) % CPCC_TILE_BODY;
  uint32_t *end = tile->x + 2 * tile->steps;
  tile->x[-1] = ((uint32_t)cpcc_tile4x2_end - 48u * entered) | 1u;
  end[0] = (uint32_t)tile->zero_point;
  end[1] = (uint32_t)tile->x;
  end[2] = (uint32_t)tile->stream;
}

static inline void cpcc_tile4x2(const cpcc_tile4x2_t *tile, int8_t *y0, int8_t *y1, int32_t channels) {
  cpcc_tile4x2_channels(y0, y1, y0 + channels, tile->x + 2 * tile->steps);
}
#else
static inline void cpcc_tile4x2_prepare(const cpcc_tile4x2_t *tile) { (void)tile; }

/* `channels` outputs, a multiple of 4 above 0, of pixel 0 to y0 and of pixel 1 to y1. */
void cpcc_tile4x2(const cpcc_tile4x2_t *tile, int8_t *y0, int8_t *y1, int32_t channels);
#endif

#endif
