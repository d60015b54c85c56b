#ifndef CPCC_DEPTHWISE_COLUMN_H
#define CPCC_DEPTHWISE_COLUMN_H

#include "cpcc_fixed.h"

/* Depthwise convolution along one axis, of stride 1 and at least four channels: four outputs of a channel at a time. A word P holds
 * two neighbouring inputs of a channel, at 2j and 2j + 1. With E = (w0, w1), (w2, w3), ... and O = (0, w0), (w1, w2), ...
 *   output 2j: sum of P[j + k] * E[k]    output 2j + 1: sum of P[j + k] * O[k]
 * The stream has, per channel: E and O of each step; `constants` the bias and the channel's constants (see cpcc_rounding.h; weights
 * and bias are doubled where twice the accumulator is rounded). Where the number of channels is no multiple of 4, the last four overlap the
 * ones before. */
typedef struct {
  int32_t channels;
  int32_t lines, line, out_line; /* across the kernel; bytes from one to the next */
  int32_t inputs, outputs;       /* along a line */
  int32_t pitch;                 /* bytes from one to the next, of both */
  int32_t before, pad_value;     /* inputs of padding before the first one */
  int32_t steps;                 /* 2 to 16 */
  int32_t pairs;                 /* words of a channel */
  const int32_t *stream, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_depthwise_column_t;

/* scratch: four channels' pairs. */
void cpcc_depthwise_column(const cpcc_depthwise_column_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
