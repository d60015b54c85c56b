#ifndef CPCC_SPARSE8_H
#define CPCC_SPARSE8_H

#include "cpcc_tiles8.h"

/* Sparse rows times eight pixels. A word holds two pixels of one input, 2 * (x0 + 128) + (x1 << 24), so one SMLAL does
 * two products: its 64-bit sum is 2 * s0 + (s1 << 24), exact while the final |s0| < 2^21, which the compiler proves. An
 * input has four consecutive words: pixels 0 and 4, 1 and 5, 2 and 6, 3 and 7.
 * The stream has, per output channel, from a multiple of four on: the 64-bit start 2 * (bias - 128 * sum of weights) +
 * (bias << 24), twice; a jump; entries of a byte, words from the previous input, and a weight; after every 32 entries, counted
 * from the last, and at the end another jump; the channel's constants (see cpcc_rounding.h). A channel whose output is one
 * value has that value behind its first jump and nothing more. Jumps are 16-bit distances in code: a row enters the
 * unrolled entries as far from their end as it has entries, and leaves them for its rounding, by an entry that skips two
 * bytes where the constants would lie across words. Shifts of TensorFlow Lite's up to 14 are the jump's, not constants. cpcc/formats/sparse8.py writes it. */
void cpcc_sparse8_once(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job);
void cpcc_sparse8_tflite(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job);

static inline uint32_t cpcc_sparse8_padding(const cpcc_tiles8_t *layer) {
  const int32_t value = layer->window.pad_value;
  return 2u * (uint32_t)(value + 128) + ((uint32_t)value << 24);
}

/* With the constants apart from the stream, for weights that several layers share: per channel, the 64-bit
 * start and what cpcc_rounding.h says, and two last words that are read and not used; the stream has the jumps and entries of
 * each channel alone, one after the other, each channel's as if its output varied. `job` is a cpcc_sparse8_apart_t. */
typedef struct {
  cpcc_tiles8_run_t run;
  const int32_t *constants;
} cpcc_sparse8_apart_t;
void cpcc_sparse8_apart(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job);

/* The words of all channels of an input row at `row`. */
void cpcc_sparse8_load(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job);

#endif
