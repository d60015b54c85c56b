#ifndef CPCC_CONV2D_MVE_H
#define CPCC_CONV2D_MVE_H

#include "cpcc_fixed.h"

/* Four output channels of two pixels at a time, sixteen products an instruction, for Helium (Armv8.1-M's vector extension).
 * Patches of a multiple of 16 bytes are read where they lie, others are copied to scratch; they meet zero weights behind
 * their end. Per four channels, the last filled up with zeros, `weights` has per sixteen inputs four vectors; `constants` has
 * four biases, four multipliers and, with TensorFlow Lite's rounding, four offsets and four negated shifts (see
 * cpcc_rounding.h). */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w, out_channels;
  int32_t blocks; /* of sixteen inputs */
  int32_t copies; /* whether patches are copied */
  const int32_t *weights, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_conv2d_mve_t;

/* scratch: two patches where they are copied, then the strip where the input is padded. */
void cpcc_conv2d_mve(const cpcc_conv2d_mve_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
