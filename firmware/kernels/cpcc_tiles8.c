#include "cpcc_tiles8.h"

#include "cpcc_saturate.h"

#define TILE 8
#define MOVED_BEYOND 8 /* words that cpcc_tiles8_move may touch behind the rows */

typedef struct {
  const cpcc_tiles8_t *layer;
  const cpcc_tiles8_method_t *method;
  const int8_t *x;
  uint32_t *rows;
  cpcc_tiles8_column_t *columns;
  int8_t *border; /* a pixel of padding */
  int8_t *spare;  /* outputs of a tile wider than the row */
  cpcc_tiles8_load_t load;
} conv_t;

static void fill(uint32_t *d, uint32_t word, int32_t count) {
  for (; count >= 4; count -= 4) {
    d = cpcc_store2(cpcc_store2(d, word, word), word, word);
  }
  for (; count > 0; count--) {
    *d++ = word;
  }
}

/* The pixels of every word, for the tile whose first window begins at input column `left`. */
CPCC_NOINLINE static void find_columns(const conv_t *conv, int32_t left) {
  const cpcc_tiles8_t *layer = conv->layer;
  const uint32_t width = (uint32_t)layer->window.in_w;
  const int32_t far = 4 * layer->window.stride_w, border = cpcc_tiles8_place(conv->x, conv->border);
  for (int32_t i = 0; i < layer->words; i++) {
    const int32_t first = layer->columns[i], second = first + far;
    const int32_t a_in = (uint32_t)(left + first) < width, b_in = (uint32_t)(left + second) < width;
    const cpcc_tiles8_column_t column = {a_in ? first * layer->in_step : border, -a_in,
                                          b_in ? second * layer->in_step : border, -b_in};
    conv->columns[i] = column;
  }
}

/* The rows under output row `oy`; those of the row before are there already. `place` is the tile's in input row 0. */
static void load_rows(const conv_t *conv, int32_t oy, int32_t place) {
  const cpcc_window_t *window = &conv->layer->window;
  const int32_t height = conv->layer->kernel_h, first = oy * window->stride_h - window->top;
  const int32_t kept = oy == 0 ? 0 : cpcc_max(height - window->stride_h, 0);
  const int32_t words = conv->layer->row_words;
  uint32_t *d = conv->rows + kept * words;
  if (kept > 0) {
    cpcc_tiles8_move(conv->rows, conv->rows + (height - kept) * words, kept * words);
  }
  for (int32_t row = first + kept; row < first + height; row++, d += words) {
    if ((uint32_t)row < (uint32_t)window->in_h) {
      conv->method->load(d, place + row * conv->layer->in_row, &conv->load);
    } else {
      fill(d, conv->method->padding, words);
    }
  }
}

/* The first `count` pixels of a tile in spare. */
CPCC_NOINLINE static void keep(const conv_t *conv, int8_t *y, int32_t count) {
  const int32_t channels = conv->layer->out_channels;
  const int8_t *s = conv->spare;
  for (; count > 0; count--, y += conv->layer->out_step) {
    for (int32_t i = 0; i < channels; i++) {
      y[i] = *s++;
    }
  }
}

/* Output columns `ox` to `ox + 7`, of which `narrow` are kept where a row is narrower than a tile. */
static void tile(const conv_t *conv, int8_t *y, int32_t ox, int32_t narrow) {
  const cpcc_tiles8_t *layer = conv->layer;
  const cpcc_window_t *window = &layer->window;
  const cpcc_tiles8_run_t job = {layer->zero_point, narrow > 0 ? layer->out_channels : layer->out_step, layer->rounding};
  const int32_t left = ox * window->stride_w - window->left;
  const int32_t place = cpcc_tiles8_place(conv->x, conv->x) + left * layer->in_step;
  int8_t *out = y + ox * layer->out_step;
  for (int32_t oy = 0; oy < window->out_h; oy++, out += layer->out_row) {
    load_rows(conv, oy, place);
    conv->method->run(conv->rows, (const uint8_t *)layer->stream, narrow > 0 ? conv->spare : out, &job);
    if (narrow > 0) {
      keep(conv, out, narrow);
    }
  }
}

void cpcc_tiles8(const cpcc_tiles8_t *layer, const cpcc_tiles8_method_t *method, const int8_t *x, int8_t *y,
                 int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  uint32_t *rows = (uint32_t *)(void *)scratch;
  cpcc_tiles8_column_t *columns =
      (cpcc_tiles8_column_t *)(void *)(rows + layer->kernel_h * layer->row_words + MOVED_BEYOND);
  int8_t *border = (int8_t *)(columns + layer->words);
  const int32_t border_bytes = window->channels / 4 * 4 + 4;
  const conv_t conv = {layer, method, x, rows, columns, border, border + border_bytes,
                       {columns, columns + layer->words, layer->fours, layer->pitch, layer->rest, x}};
  int32_t inside = 0; /* the columns are those of a tile inside the image */
  for (int32_t i = 0; i < border_bytes; i++) {
    border[i] = (int8_t)window->pad_value;
  }
  for (int32_t next = 0; next < window->out_w; next += TILE) {
    const int32_t ox = cpcc_max(cpcc_min(next, window->out_w - TILE), 0); /* the last one overlaps */
    const int32_t left = ox * window->stride_w - window->left;
    const int32_t within = left >= 0 && left + layer->span <= window->in_w;
    if (!(inside && within)) {
      find_columns(&conv, left);
    }
    inside = within;
    tile(&conv, y, ox, window->out_w < TILE ? window->out_w : 0);
  }
  cpcc_saturate(y, window->out_h * window->out_w * layer->out_channels, layer->low, layer->high);
}

#if CPCC_DSP
__asm__(
    ".syntax unified\n.section .text.cpcc_tiles8_move, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_tiles8_move\n.type cpcc_tiles8_move, %function\n.thumb_func\n"
    "cpcc_tiles8_move:\n"
    " push {r4-r11, lr}\n"
    "1: ldmia.w r1!, {r4-r11}\n stmia.w r0!, {r4-r11}\n subs r2, #8\n bgt 1b\n"
    " pop {r4-r11, pc}\n"
    ".size cpcc_tiles8_move, . - cpcc_tiles8_move\n.text\n");
#else
void cpcc_tiles8_move(uint32_t *d, const uint32_t *s, int32_t words) {
  for (; words > 0; words -= 8) {
    for (int32_t i = 0; i < 8; i++) {
      *d++ = *s++;
    }
  }
}
#endif
