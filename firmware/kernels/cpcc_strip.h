#ifndef CPCC_STRIP_H
#define CPCC_STRIP_H

#include "cpcc_fixed.h"

/* The input rows that a few output rows need, borders included: the input itself where nothing is padded, else a copy
 * in scratch that moves down the image. */
typedef struct {
  const cpcc_window_t *window;
  const int8_t *x;
  int8_t *copy;
  int32_t rows;  /* held at a time */
  int32_t pitch; /* bytes from one row to the next */
  int32_t step;  /* rows from one position to the next */
} cpcc_strip_t;

/* A strip for `outputs` output rows at a time of a kernel `kernel_h` rows high; its copy takes `rows * pitch` bytes of
 * scratch. */
cpcc_strip_t cpcc_strip(const cpcc_window_t *window, const int8_t *x, int8_t *scratch, int32_t kernel_h,
                        int32_t outputs);

/* The first row under output row `oy`. Call with 0, outputs, 2 * outputs and so on. */
const int8_t *cpcc_strip_move(const cpcc_strip_t *strip, int32_t oy);

#endif
