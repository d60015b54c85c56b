#ifndef CPCC_CONV2D_SPARSE8_H
#define CPCC_CONV2D_SPARSE8_H

#include "cpcc_fixed.h"

/* Tiles of eight columns move down the image; weights as cpcc_sparse8.h has them. Per kernel row and input channel
 * scratch holds `words` words: a word for each column that a tile meets, and its column four outputs on. Columns are
 * sorted by their remainder modulo the stride, so that those of a kernel column are consecutive.
 * Rows and columns may have changed places: steps say how far apart pixels lie. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, out_channels;
  int32_t in_row, in_step, out_row, out_step; /* bytes from a row to the next one, and from a column */
  int32_t span;                               /* columns that a tile meets */
  int32_t words;
  const uint8_t *columns; /* input column of each word, from the tile's first window */
  const uint32_t *stream;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_conv2d_sparse8_t;

/* scratch: 4 * kernel_h * channels * words bytes and 32 more, 16 * words, the channels rounded up to a multiple of four, and
 * eight pixels of output where a row is narrower. */
void cpcc_conv2d_sparse8(const cpcc_conv2d_sparse8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
