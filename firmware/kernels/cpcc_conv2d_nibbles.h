#ifndef CPCC_CONV2D_NIBBLES_H
#define CPCC_CONV2D_NIBBLES_H

#include "cpcc_fixed.h"

/* Dense weights of few levels: per output channel and kernel row two multiples of the channel's step in a byte, the lower first;
 * the last byte of an odd number has one. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w, out_channels;
  const uint8_t *multiples;
  const uint8_t *steps;
  cpcc_output_t output;
} cpcc_conv2d_nibbles_t;

void cpcc_conv2d_nibbles(const cpcc_conv2d_nibbles_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_conv2d_nibbles_tflite(const cpcc_conv2d_nibbles_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
