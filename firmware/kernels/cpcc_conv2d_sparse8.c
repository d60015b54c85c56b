#include "cpcc_conv2d_sparse8.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"
#include "cpcc_sparse8.h"

#define TILE 8

typedef struct {
  const cpcc_conv2d_sparse8_t *layer;
  const int8_t *x;
  uint32_t *rows;    /* kernel_h rows of channels * words */
  int32_t row_words; /* of one */
  uint32_t border;   /* four padding values */
} conv_t;

/* The input at (row, column), or padding: `*step` is 0 there. */
static const int8_t *pixel(const conv_t *conv, int32_t row, int32_t column, int32_t *step) {
  const cpcc_window_t *window = &conv->layer->window;
  const int32_t inside = row >= 0 && row < window->in_h && column >= 0 && column < window->in_w;
  *step = inside ? 1 : 0;
  return inside ? conv->x + (row * window->in_w + column) * window->channels : (const int8_t *)&conv->border;
}

/* One word for every channel: (a + 128) + (b << 24). */
CPCC_NOINLINE static void join(uint32_t *d, int32_t words, const int8_t *a, int32_t a_step, const int8_t *b,
                               int32_t b_step, int32_t channels) {
  for (; channels >= 4; channels -= 4) {
    const uint32_t u = cpcc_load4(a) ^ 0x80808080u, v = cpcc_load4(b);
    d[0] = (u & 0xFFu) + (v << 24);
    d[words] = (u >> 8 & 0xFFu) + (v << 16 & 0xFF000000u);
    d += 2 * words;
    d[0] = (u >> 16 & 0xFFu) + (v << 8 & 0xFF000000u);
    d[words] = (u >> 24) + (v & 0xFF000000u);
    d += 2 * words;
    a += 4 * a_step;
    b += 4 * b_step;
  }
  for (; channels > 0; channels--, d += words, a += a_step, b += b_step) {
    *d = (uint32_t)(*a + 128) + ((uint32_t)(int32_t)*b << 24);
  }
}

/* Input row `row` under the tile whose first window begins at input column `left`. */
static void load_row(const conv_t *conv, uint32_t *d, int32_t row, int32_t left) {
  const cpcc_window_t *window = &conv->layer->window;
  for (int32_t i = 0; i < conv->layer->words; i++) {
    const int32_t column = left + conv->layer->columns[i];
    int32_t a_step, b_step;
    const int8_t *a = pixel(conv, row, column, &a_step);
    const int8_t *b = pixel(conv, row, column + 4 * window->stride_w, &b_step);
    join(d + i, conv->layer->words, a, a_step, b, b_step, window->channels);
  }
}

static void move_up(uint32_t *d, const uint32_t *s, int32_t words) {
  for (; words >= 4; words -= 4, d += 4, s += 4) {
    const uint32_t a = s[0], b = s[1], e = s[2], f = s[3];
    d[0] = a;
    d[1] = b;
    d[2] = e;
    d[3] = f;
  }
  for (; words > 0; words--) {
    *d++ = *s++;
  }
}

/* The rows under output row `oy`; those of the row before are there already. */
static void load_rows(const conv_t *conv, int32_t oy, int32_t left) {
  const cpcc_window_t *window = &conv->layer->window;
  const int32_t height = conv->layer->kernel_h, first = oy * window->stride_h - window->top;
  const int32_t kept = oy == 0 ? 0 : cpcc_max(height - window->stride_h, 0);
  move_up(conv->rows, conv->rows + (height - kept) * conv->row_words, kept * conv->row_words);
  for (int32_t i = kept; i < height; i++) {
    load_row(conv, conv->rows + i * conv->row_words, first + i, left);
  }
}

/* Output columns `ox` to `ox + 7`, of which `narrow` are kept where a row is narrower than a tile. */
static void tile(const conv_t *conv, int8_t *y, int32_t ox, int32_t narrow) {
  const cpcc_conv2d_sparse8_t *layer = conv->layer;
  const cpcc_window_t *window = &layer->window;
  const cpcc_sparse8_t job = {layer->zero_point, layer->out_channels, layer->rounding};
  int8_t *spare = (int8_t *)(conv->rows + layer->kernel_h * conv->row_words);
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    int8_t *out = y + (oy * window->out_w + ox) * layer->out_channels;
    load_rows(conv, oy, ox * window->stride_w - window->left);
    cpcc_sparse8(conv->rows, layer->stream, narrow > 0 ? spare : out, &job);
    for (int32_t i = 0; i < narrow * layer->out_channels; i++) {
      out[i] = spare[i];
    }
  }
}

void cpcc_conv2d_sparse8(const cpcc_conv2d_sparse8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const conv_t conv = {layer, x, (uint32_t *)(void *)scratch, window->channels * layer->words,
                       0x01010101u * (uint8_t)window->pad_value};
  if (window->out_w < TILE) {
    tile(&conv, y, 0, window->out_w);
  } else {
    for (int32_t ox = 0; ox < window->out_w; ox += TILE) {
      tile(&conv, y, cpcc_min(ox, window->out_w - TILE), 0); /* the last one overlaps */
    }
  }
  cpcc_saturate(y, window->out_h * window->out_w * layer->out_channels, layer->low, layer->high);
}
