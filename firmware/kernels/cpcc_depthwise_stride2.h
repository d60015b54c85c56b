#ifndef CPCC_DEPTHWISE_STRIDE2_H
#define CPCC_DEPTHWISE_STRIDE2_H

#include "cpcc_fixed.h"

/* Depthwise 3x3 of stride 2 and at least four channels. Input rows 2r and 2r + 1 under an output row are paired in words once,
 * four channels at a time: three SMLAD take the kernel's upper two rows; the third row is the lower half of the next pair's
 * words, which the next output row needs as well. Two columns of a channel lie side by side, so one load finds both.
 * The stream has, per channel: three words of a column's weights in the kernel's first and second row; one word of the third
 * row's first and second weight; one of its last; `constants` the bias and the channel's constants (see cpcc_rounding.h). */
typedef struct {
  cpcc_window_t window;
  const int32_t *stream, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_depthwise_stride2_t;

/* scratch: 64 bytes for each column of the output and for one more. */
void cpcc_depthwise_stride2(const cpcc_depthwise_stride2_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
