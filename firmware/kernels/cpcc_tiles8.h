#ifndef CPCC_TILES8_H
#define CPCC_TILES8_H

#include "cpcc_dsp.h"
#include "cpcc_fixed.h"

/* Sparse convolutions whose tiles of eight columns move down the image. The input under a tile is kept as words: for each
 * kernel row, for each group of channels, one or two words for each column. Columns are sorted by their remainder modulo
 * the stride, so that those of a kernel column are consecutive. Rows and columns of the image may have changed places:
 * steps say how far apart pixels lie. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, out_channels;
  int32_t in_row, in_step, out_row, out_step; /* bytes from a row to the next one, and from a column */
  int32_t span;                               /* columns that a tile meets */
  int32_t row_words;                          /* of a kernel row */
  int32_t pitch;                              /* bytes of a group of channels */
  int32_t fours, rest;                        /* channels: fours, and those left */
  int32_t words;                              /* columns listed */
  const uint8_t *columns;                     /* input column of each, from the tile's first window */
  const uint32_t *stream;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t zero_point, low, high;
} cpcc_tiles8_t;

/* A pixel inside the image lies `first` bytes from the row's place and its mask is -1; one beyond lies at `first` and its
 * mask is 0. `second` is the pixel four outputs on. Places are addresses, on the host distances from one. */
typedef struct {
  int32_t first, first_mask;
  int32_t second, second_mask;
} cpcc_tiles8_column_t;

typedef struct {
  const cpcc_tiles8_column_t *columns, *end;
  int32_t fours, pitch, rest;
  const int8_t *base; /* what places count from on the host */
} cpcc_tiles8_load_t;

typedef struct {
  int32_t zero_point;
  int32_t stride;   /* bytes from one pixel's outputs to the next one's */
  int32_t rounding; /* cpcc_rounding_t */
} cpcc_tiles8_run_t;

/* How a kernel does it: `load` writes the words of an input row at a place; `run` computes all channels of eight pixels;
 * `padding` is a word of padding. */
typedef struct {
  void (*load)(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job);
  void (*run)(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job);
  uint32_t padding;
} cpcc_tiles8_method_t;

static inline int32_t cpcc_tiles8_place(const int8_t *base, const int8_t *p) {
#if CPCC_DSP
  (void)base;
  return (int32_t)p;
#else
  return (int32_t)(p - base);
#endif
}

static inline const int8_t *cpcc_tiles8_at(const int8_t *base, int32_t place) {
#if CPCC_DSP
  (void)base;
  return (const int8_t *)place;
#else
  return base + place;
#endif
}

/* scratch: kernel_h rows and 32 bytes, 16 bytes a column, the channels rounded up to a multiple of four and four more, and
 * eight pixels of output where a row is narrower. */
void cpcc_tiles8(const cpcc_tiles8_t *layer, const cpcc_tiles8_method_t *method, const int8_t *x, int8_t *y,
                 int8_t *scratch);

/* Moves words, eight at a time, to lower addresses: up to seven more than `words`, which is at least one. */
void cpcc_tiles8_move(uint32_t *d, const uint32_t *s, int32_t words);

#endif
