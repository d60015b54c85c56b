#ifndef CPCC_SWAR_CONV_H
#define CPCC_SWAR_CONV_H

#include "cpcc_saturate.h"
#include "cpcc_strip.h"
#include "cpcc_swar.h"

/* A convolution by tiles of four pixels; what the kernels on cpcc_swar and cpcc_swar2 share. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w, out_channels;
  int32_t strip_rows; /* output rows computed from one strip of the input */
  const uint16_t *weights; /* of the tile, aligned for its distances */
  const int32_t *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_swar_conv_t;

/* scratch: eight bytes per input of a patch; the outputs of four pixels, channels filled up to a multiple of `group`; the strip
 * where the input is padded. */
void cpcc_swar_conv(const cpcc_swar_conv_t *layer, void (*tile)(const cpcc_swar_t *tile, int8_t *y), int32_t group,
                    const int8_t *x, int8_t *y, int8_t *scratch);

#endif
