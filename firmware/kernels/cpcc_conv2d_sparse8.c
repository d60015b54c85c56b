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

/* Words of all channels: (a + 128) + (b << 24). A step of 0 repeats padding. */
static inline void join(uint32_t *d, int32_t words, const int8_t *a, int32_t a_step, const int8_t *b, int32_t b_step,
                        int32_t channels) {
  int32_t fours = channels >> 2;
  for (; fours > 0; fours--) {
    const uint32_t u = cpcc_load4(a) ^ 0x80808080u, v = cpcc_load4(b);
    a += a_step;
    b += b_step;
    d[0] = (v << 24) + (u & 0xFFu);
    d[words] = (v << 16 & 0xFF000000u) + (u >> 8 & 0xFFu);
    d += 2 * words;
    d[0] = (v << 8 & 0xFF000000u) + (u >> 16 & 0xFFu);
    d[words] = (v & 0xFF000000u) + (u >> 24);
    d += 2 * words;
  }
  for (channels &= 3; channels > 0; channels--, d += words, a += a_step >> 2, b += b_step >> 2) {
    *d = (uint32_t)(*a + 128) + ((uint32_t)(int32_t)*b << 24);
  }
}

static void fill(uint32_t *d, uint32_t word, int32_t count) {
  for (; count >= 4; count -= 4) {
    d = cpcc_store2(cpcc_store2(d, word, word), word, word);
  }
  for (; count > 0; count--) {
    *d++ = word;
  }
}

/* Input row `row` under the tile whose first window begins at input column `left`. */
CPCC_NOINLINE static void load_row(const conv_t *conv, uint32_t *d, int32_t row, int32_t left) {
  const cpcc_window_t *window = &conv->layer->window;
  const int32_t channels = window->channels, words = conv->layer->words, far = 4 * window->stride_w;
  const uint32_t width = (uint32_t)window->in_w;
  const int8_t *border = (const int8_t *)&conv->border;
  const uint8_t *columns = conv->layer->columns, *end = columns + words;
  if (row < 0 || row >= window->in_h) {
    fill(d, (uint32_t)(window->pad_value + 128) + ((uint32_t)window->pad_value << 24), conv->row_words);
    return;
  }
  const int8_t *p = conv->x + row * window->in_w * channels;
  for (; columns != end; columns++, d++) {
    const int32_t first = left + *columns, second = first + far;
    const int32_t a_in = (uint32_t)first < width, b_in = (uint32_t)second < width;
    join(d, words, a_in ? p + first * channels : border, a_in ? 4 : 0, b_in ? p + second * channels : border,
         b_in ? 4 : 0, channels);
  }
}

static void move_up(uint32_t *d, const uint32_t *s, int32_t words) {
  for (; words >= 8; words -= 8, s += 8) {
    const uint32_t a = s[0], b = s[1], e = s[2], f = s[3], g = s[4], h = s[5], i = s[6], j = s[7];
    d = cpcc_store2(cpcc_store2(d, a, b), e, f);
    d = cpcc_store2(cpcc_store2(d, g, h), i, j);
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
