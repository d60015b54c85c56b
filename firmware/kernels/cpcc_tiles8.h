#ifndef CPCC_TILES8_H
#define CPCC_TILES8_H

#include "cpcc_dsp.h"
#include "cpcc_fixed.h"
#include "cpcc_saturate.h"

#define CPCC_TILES8 8 /* columns */

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

static inline cpcc_tiles8_run_t cpcc_tiles8_job(const cpcc_tiles8_t *layer) {
  const int32_t narrow = layer->window.out_w < CPCC_TILES8; /* tiles in spare */
  return (cpcc_tiles8_run_t){layer->zero_point, narrow ? layer->out_channels : layer->out_step, layer->rounding};
}

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

/* Moves words, eight at a time, to lower addresses: up to seven more than `words`, which is at least one. */
void cpcc_tiles8_move(uint32_t *d, const uint32_t *s, int32_t words);
void cpcc_tiles8_fill(uint32_t *d, uint32_t word, int32_t count);

/* One call of a layer. */
typedef struct {
  const cpcc_tiles8_t *layer;
  const int8_t *x;
  uint32_t *rows;
  cpcc_tiles8_column_t *columns;
  int8_t *border; /* a pixel of padding */
  int8_t *spare;  /* outputs of a tile wider than the row */
  cpcc_tiles8_load_t load;
} cpcc_tiles8_call_t;

cpcc_tiles8_call_t cpcc_tiles8_begin(const cpcc_tiles8_t *layer, const int8_t *x, int8_t *scratch);

/* The pixels of every word, for the tile whose first window begins at input column `left`. */
void cpcc_tiles8_columns(const cpcc_tiles8_call_t *call, int32_t left);

/* The first `count` pixels of a tile in spare. */
void cpcc_tiles8_keep(const cpcc_tiles8_call_t *call, int8_t *y, int32_t count);

/* How a kernel does it: `load` writes the words of an input row at a place; `run` computes all channels of eight pixels. The
 * functions below are compiled into each kernel, so that these are called directly. */
typedef void (*cpcc_tiles8_loader_t)(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job);
typedef void (*cpcc_tiles8_runner_t)(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job);

/* The rows under output row `oy`; those of the row before are there already. `place` is the tile's in input row 0. */
CPCC_INLINE void cpcc_tiles8_rows(const cpcc_tiles8_call_t *call, cpcc_tiles8_loader_t load, uint32_t padding, int32_t oy,
                                  int32_t place) {
  const cpcc_window_t *window = &call->layer->window;
  const int32_t height = call->layer->kernel_h, first = oy * window->stride_h - window->top;
  const int32_t kept = oy == 0 ? 0 : cpcc_max(height - window->stride_h, 0), words = call->layer->row_words;
  uint32_t *d = call->rows + kept * words;
  if (kept > 0) {
    cpcc_tiles8_move(call->rows, call->rows + (height - kept) * words, kept * words);
  }
  for (int32_t row = first + kept; row < first + height; row++, d += words) {
    if ((uint32_t)row < (uint32_t)window->in_h) {
      load(d, place + row * call->layer->in_row, &call->load);
    } else {
      cpcc_tiles8_fill(d, padding, words);
    }
  }
}

/* Output columns `ox` to `ox + 7`, of which `narrow` are kept where a row is narrower than a tile. */
CPCC_INLINE void cpcc_tiles8_tile(const cpcc_tiles8_call_t *call, const cpcc_tiles8_run_t *job, cpcc_tiles8_loader_t load,
                                  cpcc_tiles8_runner_t run, uint32_t padding, int8_t *y, int32_t ox, int32_t narrow) {
  const cpcc_tiles8_t *layer = call->layer;
  const cpcc_window_t *window = &layer->window;
  const int32_t left = ox * window->stride_w - window->left;
  const int32_t place = cpcc_tiles8_place(call->x, call->x) + left * layer->in_step;
  int8_t *out = y + ox * layer->out_step;
  for (int32_t oy = 0; oy < window->out_h; oy++, out += layer->out_row) {
    cpcc_tiles8_rows(call, load, padding, oy, place);
    run(call->rows, (const uint8_t *)layer->stream, narrow > 0 ? call->spare : out, job);
    if (narrow > 0) {
      cpcc_tiles8_keep(call, out, narrow);
    }
  }
}

/* scratch: kernel_h rows and 32 bytes, 16 bytes a column, the channels rounded up to a multiple of four and four more, and
 * eight pixels of output where a row is narrower. `job` is cpcc_tiles8_job's, or begins with it; `padding` is a word of padding. */
CPCC_INLINE void cpcc_tiles8(const cpcc_tiles8_t *layer, const cpcc_tiles8_run_t *job, cpcc_tiles8_loader_t load,
                             cpcc_tiles8_runner_t run, uint32_t padding, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const cpcc_tiles8_call_t call = cpcc_tiles8_begin(layer, x, scratch);
  int32_t inside = 0; /* the columns are those of a tile inside the image */
  for (int32_t next = 0; next < window->out_w; next += CPCC_TILES8) {
    const int32_t ox = cpcc_max(cpcc_min(next, window->out_w - CPCC_TILES8), 0); /* the last one overlaps */
    const int32_t left = ox * window->stride_w - window->left;
    const int32_t within = left >= 0 && left + layer->span <= window->in_w;
    if (!(inside && within)) {
      cpcc_tiles8_columns(&call, left);
    }
    inside = within;
    cpcc_tiles8_tile(&call, job, load, run, padding, y, ox, window->out_w < CPCC_TILES8 ? window->out_w : 0);
  }
  cpcc_saturate(y, window->out_h * window->out_w * layer->out_channels, layer->low, layer->high);
}

#endif
