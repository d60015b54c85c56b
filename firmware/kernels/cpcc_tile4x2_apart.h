#ifndef CPCC_TILE4X2_APART_H
#define CPCC_TILE4X2_APART_H

#include "cpcc_tile4x2.h"

/* cpcc_tile4x2 with the constants apart from the weights, for weights that several layers share: the stream has, per four rows
 * A0 B0 A1 B1, two words per two inputs and nothing else; `constants` has, per four rows, the bias of A0, A1, B0, B1 and the
 * multiplier of A0, B0, A1, B1. One rounding (CPCC_ONCE). */
typedef struct {
  uint32_t *x;
  int32_t steps; /* words of one patch, above 0 */
  const int32_t *stream, *constants;
  int32_t zero_point;
} cpcc_tile4x2_apart_t;

#define CPCC_TILE_APART_BEHIND 7

#if CPCC_DSP
extern const uint8_t cpcc_tile4x2_apart_epilogue[];
void cpcc_tile4x2_apart_channels(int8_t *y0, int8_t *y1, const int8_t *y0_end, const uint32_t *x_end);

/* As cpcc_tile4x2_prepare; behind that come the first constants, and the next ones while channels are computed. */
static inline void cpcc_tile4x2_apart_prepare(const cpcc_tile4x2_apart_t *tile) {
  uint32_t *end = tile->x + 2 * tile->steps;
  tile->x[-1] = cpcc_code(cpcc_tile4x2_end) - 48u * ((uint32_t)(tile->steps - 1) % CPCC_TILE_BODY);
  end[0] = (uint32_t)tile->zero_point;
  end[1] = (uint32_t)tile->x;
  end[2] = (uint32_t)tile->stream;
  end[4] = cpcc_code(cpcc_tile4x2_apart_epilogue);
  end[3] = tile->steps - 1 < CPCC_TILE_BODY ? end[4] : cpcc_code(cpcc_tile4x2_again);
  end[5] = (uint32_t)tile->constants;
}

static inline void cpcc_tile4x2_apart(const cpcc_tile4x2_apart_t *tile, int8_t *y0, int8_t *y1, int32_t channels) {
  cpcc_tile4x2_apart_channels(y0, y1, y0 + channels, tile->x + 2 * tile->steps);
}
#else
static inline void cpcc_tile4x2_apart_prepare(const cpcc_tile4x2_apart_t *tile) { (void)tile; }

/* `channels` outputs, a multiple of 4 above 0, of pixel 0 to y0 and of pixel 1 to y1. */
void cpcc_tile4x2_apart(const cpcc_tile4x2_apart_t *tile, int8_t *y0, int8_t *y1, int32_t channels);
#endif

#endif
