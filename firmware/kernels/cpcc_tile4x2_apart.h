#ifndef CPCC_TILE4X2_APART_H
#define CPCC_TILE4X2_APART_H

#include "cpcc_tile4x2.h"

/* cpcc_tile4x2 with the constants apart from the weights, for weights that several layers share: the stream has, per four rows
 * A0 B0 A1 B1, two words per two inputs and nothing else; `constants` has, per four rows, the bias of A0, A1, B0, B1 and
 * what cpcc_rounding.h says of A0, B0, A1, B1. */
typedef struct {
  uint32_t *x;
  int32_t steps; /* words of one patch, above 0 */
  const int32_t *stream, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point;
} cpcc_tile4x2_apart_t;

#define CPCC_TILE_APART_BEHIND 8

/* Words of four rows. */
static inline int32_t cpcc_tile4x2_apart_constants(const cpcc_tile4x2_apart_t *tile) {
  return 4 * (1 + cpcc_channel_words(tile->rounding));
}

#if CPCC_DSP
extern const uint8_t cpcc_tile4x2_apart_once[], cpcc_tile4x2_apart_tflite[], cpcc_tile4x2_apart_relu[];
void cpcc_tile4x2_apart_channels(int8_t *y0, int8_t *y1, const int8_t *y0_end, const uint32_t *x_end);

/* As cpcc_tile4x2_prepare; behind that come the first constants, the next ones while channels are computed, and a word for the
 * stream while they are rounded. */
static inline void cpcc_tile4x2_apart_prepare(const cpcc_tile4x2_apart_t *tile) {
  uint32_t *end = tile->x + 2 * tile->steps;
  tile->x[-1] = cpcc_code(cpcc_tile4x2_end) - 48u * ((uint32_t)(tile->steps - 1) % CPCC_TILE_BODY);
  end[0] = (uint32_t)tile->zero_point;
  end[1] = (uint32_t)tile->x;
  end[2] = (uint32_t)tile->stream;
  end[4] = cpcc_code(tile->rounding == CPCC_ONCE     ? cpcc_tile4x2_apart_once
                     : tile->rounding == CPCC_TFLITE ? cpcc_tile4x2_apart_tflite
                                                     : cpcc_tile4x2_apart_relu);
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
