#ifndef CPCC_PAD_H
#define CPCC_PAD_H

#include "cpcc_fixed.h"

/* The `rows` input rows under output row `oy`, borders included: in `x` itself where nothing is padded, else a copy in `scratch`.
 * A copy spares every kernel the tests for borders in its inner loops; of a few rows, since memory is scarcer than the time
 * to copy a row once for each output row that needs it. */
const int8_t *cpcc_pad_rows(const cpcc_window_t *window, const int8_t *x, int8_t *scratch, int32_t rows, int32_t oy);

/* Bytes from one of these rows to the next. */
static inline int32_t cpcc_pad_pitch(const cpcc_window_t *window) {
  return (window->left + window->in_w + window->right) * window->channels;
}

#endif
