#ifndef CPCC_CONV2D_MVE_BLOCKS_H
#define CPCC_CONV2D_MVE_BLOCKS_H

#include "cpcc_fixed.h"

/* Blocks of sixteen inputs, side by side in a window's row, for Helium (Armv8.1-M's vector extension). Eight pixels at a time, in the
 * order of the image, whatever its width: sixteen inputs of the eight lie together in scratch, so a block's index finds all.
 * The stream has, per output channel and without gaps: a jump; blocks of a byte, the distance from the previous one in blocks, and
 * sixteen weights; behind the first block, then after every 8, counted from the last, and at the end another jump. A channel without
 * weights has its first jump alone. Behind the last channel is one more jump. Jumps are 16-bit distances in code, from behind the
 * instruction that jumps. `constants` has, per output channel, the bias and what cpcc_rounding.h says, shifts negated, because VSHL
 * shifts left; of a channel without weights the output. cpcc/formats/blocks16.py writes both. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, run; /* vectors in a row of a window */
  int32_t out_channels;
  const uint8_t *stream;
  const int32_t *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_conv2d_mve_blocks_t;

/* scratch: 128 bytes for each vector of a window, then the strip where the input is padded. */
void cpcc_conv2d_mve_blocks(const cpcc_conv2d_mve_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
