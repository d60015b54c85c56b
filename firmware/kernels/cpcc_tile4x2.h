#ifndef CPCC_TILE4X2_H
#define CPCC_TILE4X2_H

#include <stdint.h>

#include "cpcc_dsp.h"
#include "cpcc_rounding.h"

/* Four output channels of two pixels at a time, from a stream of paired rows and two widened patches. `x` interleaves the
 * patches word by word: two inputs of pixel 0, the same two of pixel 1. One word before x and CPCC_TILE_BEHIND words behind
 * it belong to the tile.
 * Two rows in a word: a halfword of the stream holds 256 * b + a, weights of rows A and B for one input, so SMLAD gives
 * 256 * B + A, and SMLAD with SXTB16 of the same word gives A alone: one unpacking for four products. B is exact while
 * it stays below 2^23, which the compiler proves.
 * The stream has, per four rows A0 B0 A1 B1: bias of A0 and A1; per two inputs the words A0B0 and A1B1; bias of B0 and B1;
 * four channels' constants (see cpcc_rounding.h). */
typedef struct {
  uint32_t *x;
  int32_t steps;         /* words of one patch, above 0 */
  const int32_t *stream; /* of all channels */
  int32_t rounding;      /* cpcc_rounding_t */
  int32_t zero_point;
} cpcc_tile4x2_t;

#define CPCC_TILE_BODY 32 /* steps that the assembly unrolls */
#define CPCC_TILE_BEHIND 5

#if CPCC_DSP
extern const uint8_t cpcc_tile4x2_end[]; /* behind the unrolled steps */
extern const uint8_t cpcc_tile4x2_again[], cpcc_tile4x2_once[], cpcc_tile4x2_tflite[], cpcc_tile4x2_tflite_relu[];
void cpcc_tile4x2_channels(int8_t *y0, int8_t *y1, const int8_t *y0_end, const uint32_t *x_end);

static inline uint32_t cpcc_code(const uint8_t *label) { return (uint32_t)label | 1u; }

/* Lays what the assembly reads around x: the entry into its unrolled steps before, constants behind. */
static inline void cpcc_tile4x2_prepare(const cpcc_tile4x2_t *tile) {
  const uint32_t entered = (uint32_t)(tile->steps - 1) % CPCC_TILE_BODY;
  uint32_t *end = tile->x + 2 * tile->steps;
  const uint32_t epilogue = cpcc_code(tile->rounding == CPCC_ONCE     ? cpcc_tile4x2_once
                                      : tile->rounding == CPCC_TFLITE ? cpcc_tile4x2_tflite
                                                                      : cpcc_tile4x2_tflite_relu);
  tile->x[-1] = cpcc_code(cpcc_tile4x2_end) - 48u * entered;
  end[0] = (uint32_t)tile->zero_point;
  end[1] = (uint32_t)tile->x;
  end[2] = (uint32_t)tile->stream;
  end[3] = tile->steps - 1 < CPCC_TILE_BODY ? epilogue : cpcc_code(cpcc_tile4x2_again);
  end[4] = epilogue;
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
