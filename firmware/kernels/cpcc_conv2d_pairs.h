/* The driver of the convolutions by pairs of pixels, compiled into each of them. Before it come LAYER, the layer's struct, TILE, that of
 * its tile, FUNCTION, the kernel's name, and BEHIND, words behind x that belong to the tile; tile_of(layer, x), words_of(tile), which is x,
 * prepare(tile), compute(tile, y0, y1, channels), and skip(tile, groups of four channels). */
typedef struct {
  const LAYER *layer;
  TILE tile;
  cpcc_widen2_t window;
  int32_t step;  /* bytes from one window to the next in its row */
  int32_t whole; /* channels in whole groups of four */
  int8_t *last;  /* outputs of the others */
} conv_t;

/* The channels behind the last whole group of four. */
CPCC_NOINLINE static void last_channels(const conv_t *conv, int8_t *y0, int8_t *y1) {
  TILE rest = conv->tile;
  skip(&rest, conv->whole / 4);
  prepare(&rest);
  compute(&rest, conv->last, conv->last + 4, 4);
  prepare(&conv->tile);
  for (int32_t i = conv->whole; i < conv->layer->out_channels; i++) {
    y0[i] = conv->last[i - conv->whole];
    y1[i] = conv->last[4 + i - conv->whole];
  }
}

/* The pixels with windows at p0 and p1. */
CPCC_NOINLINE static void pair(const conv_t *conv, const int8_t *p0, const int8_t *p1, int8_t *y0, int8_t *y1) {
  cpcc_widen2(words_of(&conv->tile), p0, p1, &conv->window);
  if (conv->whole > 0) {
    compute(&conv->tile, y0, y1, conv->whole);
  }
  if (conv->whole < conv->layer->out_channels) {
    last_channels(conv, y0, y1);
  }
}

/* `pairs` pairs of neighbouring pixels. */
CPCC_NOINLINE static void pairs_of(const conv_t *conv, const int8_t *p, int8_t *y, int32_t pairs) {
  const int32_t channels = conv->layer->out_channels, step = conv->step;
  if (conv->whole < channels) {
    for (; pairs > 0; pairs--, p += 2 * step, y += 2 * channels) {
      pair(conv, p, p + step, y, y + channels);
    }
  } else {
    for (; pairs > 0; pairs--, p += 2 * step, y += 2 * channels) {
      cpcc_widen2(words_of(&conv->tile), p, p + step, &conv->window);
      compute(&conv->tile, y, y + channels, channels);
    }
  }
}

/* One output row of even width. */
static void even_row(const conv_t *conv, const int8_t *p, int8_t *y) {
  pairs_of(conv, p, y, conv->layer->window.out_w / 2);
}

/* Two output rows of odd width, the second at `next`: its first pixel pairs with the last of the first row. Without a
 * second row (`next` is 0) that pixel is computed twice. */
static void odd_rows(const conv_t *conv, const int8_t *p, const int8_t *next, int8_t *y) {
  const int32_t channels = conv->layer->out_channels, pairs = conv->layer->window.out_w / 2;
  const int8_t *last = p + 2 * pairs * conv->step;
  int8_t *y_last = y + 2 * pairs * channels;
  pairs_of(conv, p, y, pairs);
  if (next == 0) {
    pair(conv, last, last, y_last, y_last);
  } else {
    pair(conv, last, next, y_last, y_last + channels);
    pairs_of(conv, next + conv->step, y_last + 2 * channels, pairs);
  }
}

void FUNCTION(const LAYER *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t outputs = 1 + window->out_w % 2;
  int8_t *last = scratch + 4 * (1 + 2 * layer->steps + BEHIND);
  const cpcc_strip_t strip = cpcc_strip(window, x, last + 8, layer->kernel_h, outputs);
  const conv_t conv = {
      layer,
      tile_of(layer, (uint32_t *)(void *)scratch + 1),
      cpcc_widen2_job(layer->kernel_h, layer->kernel_w * window->channels, strip.pitch),
      window->stride_w * window->channels,
      layer->out_channels / 4 * 4,
      last,
  };
  prepare(&conv.tile);
  for (int32_t oy = 0; oy < window->out_h; oy += outputs) {
    const int8_t *p = cpcc_strip_move(&strip, oy);
    int8_t *row = y + oy * window->out_w * layer->out_channels;
    if (outputs == 1) {
      even_row(&conv, p, row);
    } else {
      odd_rows(&conv, p, oy + 1 < window->out_h ? p + window->stride_h * strip.pitch : 0, row);
    }
  }
  cpcc_saturate(y, window->out_h * window->out_w * layer->out_channels, layer->low, layer->high);
}
