#ifndef CPCC_WIDEN2_H
#define CPCC_WIDEN2_H

#include <stdint.h>

#include "cpcc_dsp.h"

#define CPCC_WIDEN_BODY 8 /* words that the assembly unrolls */

/* Two patches of `rows` runs of `run` bytes, `stride` bytes from one run to the next. */
typedef struct {
  int32_t passes; /* through the assembly's unrolled body, less one */
  int32_t rows;
  int32_t skip;   /* stride - 4 * words */
  uint32_t entry; /* into the unrolled body */
  int32_t words;  /* whole words of a run */
  int32_t run, rest; /* bytes; those behind the last whole word */
  int32_t nine;      /* whether the runs are three of nine bytes, those of a 3x3 kernel on three channels */
} cpcc_widen2_t;

cpcc_widen2_t cpcc_widen2_job(int32_t rows, int32_t run, int32_t stride);

uint32_t *cpcc_widen2_words(uint32_t *d, const int8_t *a, const int8_t *b, const cpcc_widen2_t *job);
void cpcc_widen2_nine(uint32_t *d, const int8_t *a, const int8_t *b, int32_t stride);
void cpcc_widen2_rest(uint32_t *d, const int8_t *a, const int8_t *b, const cpcc_widen2_t *job);

/* The patches at `a` and `b` as halfwords, interleaved word by word as the tile reads them, in the order of
 * `widened_order` in cpcc/formats/paired.py. */
static inline void cpcc_widen2(uint32_t *d, const int8_t *a, const int8_t *b, const cpcc_widen2_t *job) {
  if (job->rest == 0) {
    (void)cpcc_widen2_words(d, a, b, job);
  } else if (job->nine) {
    cpcc_widen2_nine(d, a, b, job->skip + 8);
  } else {
    cpcc_widen2_rest(job->words > 0 ? cpcc_widen2_words(d, a, b, job) : d, a, b, job);
  }
}

#endif
