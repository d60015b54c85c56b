#ifndef CPCC_DEPTHWISE_PAIRED_H
#define CPCC_DEPTHWISE_PAIRED_H

#include "cpcc_fixed.h"

/* Depthwise 3x3 of stride 1 and at least four channels: two output rows at a time from pairs of input rows. A word holds
 * one channel of one column in rows 2j and 2j + 1, so with A = (w0, w1) and B = (w1, w2) of a kernel column
 *   upper row: SMLAD(pair j, A) + SMLABT(pair j + 1, B)    lower row: SMLATB(pair j, A) + SMLAD(pair j + 1, B)
 * and six products take four instructions.
 * The stream has, per channel: A of the three columns, B of them; `constants` the bias and the channel's constants (see
 * cpcc_rounding.h; weights and bias are doubled where twice the accumulator is rounded). Where the number of channels is
 * no multiple of 4, the last four overlap the ones before. */
typedef struct {
  cpcc_window_t window;
  int32_t strips; /* of two output rows, held in scratch at a time */
  const int32_t *stream, *constants;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_depthwise_paired_t;

/* scratch: 32 bytes per column of the padded input, for each strip and once more. */
void cpcc_depthwise_paired(const cpcc_depthwise_paired_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
