#ifndef CPCC_ROWS2_H
#define CPCC_ROWS2_H

#include <stdint.h>

/* Strips of two output rows of four channels of cpcc_depthwise_paired.h, all above 0. Per strip, column and channel
 * there are two words: the upper and the lower pair of rows. */
typedef struct {
  int32_t zero_point;
  int32_t step;     /* bytes between neighbouring outputs */
  int32_t row;      /* bytes between the rows of a strip; 0 where only the upper one is kept */
  int32_t columns;  /* of output */
  int32_t strips;
  int32_t rounding; /* cpcc_rounding_t */
  const int32_t *constants;
} cpcc_rows2_t;

#define CPCC_COLUMN_WORDS 8
#define CPCC_ROWS2_WEIGHTS 6 /* words of a channel */

void cpcc_rows2(const uint32_t *pairs, int8_t *y, const int32_t *stream, const cpcc_rows2_t *job);

/* One pair of rows, at p and q, of four channels: as the lower words of one strip and the upper words of the next. */
typedef struct {
  const int8_t *p, *q;
  int32_t p_step, q_step; /* bytes between columns */
} cpcc_row_pair_t;

void cpcc_pair_columns(const cpcc_row_pair_t *rows, uint32_t *lower, uint32_t *upper, int32_t columns);

#endif
