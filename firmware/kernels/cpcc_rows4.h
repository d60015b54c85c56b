#ifndef CPCC_ROWS4_H
#define CPCC_ROWS4_H

#include <stdint.h>

/* Four rows at a time over one input (see cpcc_linear_paired.h for the input's words and the stream). */
typedef struct {
  int32_t zero_point;
  int32_t rows;     /* a multiple of 4, above 0 */
  int32_t blocks;   /* of four inputs, even, above 0 */
  int32_t rounding; /* cpcc_rounding_t */
} cpcc_rows4_t;

/* x: the two words of each block. */
void cpcc_rows4(const uint32_t *x, const int32_t *stream, int8_t *out, const cpcc_rows4_t *job);

/* As cpcc_rows4, the stream of words alone: `constants` has, per four rows, four biases and the four rows' constants. */
void cpcc_rows4_apart(const uint32_t *x, const int32_t *stream, int8_t *out, const cpcc_rows4_t *job,
                      const int32_t *constants);

/* x: the first word of each block. */
void cpcc_rows4_narrow(const uint32_t *x, const int32_t *stream, int8_t *out, const cpcc_rows4_t *job);

#endif
