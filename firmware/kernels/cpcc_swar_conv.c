#include "cpcc_swar_conv.h"

typedef struct {
  const cpcc_swar_conv_t *layer;
  void (*run_tile)(const cpcc_swar_t *tile, int8_t *y);
  cpcc_swar_t tile;
  cpcc_swar_patch_t patch;
  uint32_t *words;
  int8_t *spare;          /* outputs of a tile that is not whole */
  int32_t step, row_step; /* bytes from one window to the next, and from the last of a row to the first of the next */
} conv_t;

/* A window of the strip, moving along output rows. */
typedef struct {
  const int8_t *p;
  int32_t left; /* windows of its row, itself included */
} window_t;

/* The window behind `at`. */
static window_t next(const conv_t *conv, window_t at) {
  const int32_t ends = at.left == 1;
  const window_t then = {at.p + (ends ? conv->row_step : conv->step),
                         ends ? conv->layer->window.out_w : at.left - 1};
  return then;
}

/* The first `pixels` of four outputs, or a tile whose channels fill no whole group. */
static void spare_tile(const conv_t *conv, int8_t *y, int32_t pixels) {
  const int32_t channels = conv->layer->out_channels;
  conv->run_tile(&conv->tile, conv->spare);
  for (int32_t i = 0; i < pixels; i++) {
    for (int32_t c = 0; c < channels; c++) {
      y[i * channels + c] = conv->spare[i * conv->tile.channels + c];
    }
  }
}

/* `pixels` consecutive outputs, the first from the window at p. */
static void run(const conv_t *conv, const int8_t *p, int8_t *y, int32_t pixels) {
  const int32_t channels = conv->layer->out_channels, whole = conv->tile.channels == channels;
  window_t at = {p, conv->layer->window.out_w};
  for (; pixels > 0; pixels -= 4, y += 4 * channels) {
    const int8_t *windows[4];
    for (int32_t i = 0; i < 4; i++) {
      windows[i] = at.p;
      at = i + 1 < pixels ? next(conv, at) : at;
    }
    cpcc_swar_pack(conv->words, windows, &conv->patch);
    if (whole && pixels >= 4) {
      conv->run_tile(&conv->tile, y);
    } else {
      spare_tile(conv, y, cpcc_min(pixels, 4));
    }
  }
}

void cpcc_swar_conv(const cpcc_swar_conv_t *layer, void (*tile)(const cpcc_swar_t *tile, int8_t *y), int32_t group,
                    const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t length = layer->kernel_w * window->channels, inputs = layer->kernel_h * length;
  const int32_t channels = (layer->out_channels + group - 1) & -group;
  uint32_t *words = (uint32_t *)(void *)scratch;
  int8_t *spare = scratch + 8 * inputs;
  const cpcc_strip_t strip = cpcc_strip(window, x, spare + 4 * channels, layer->kernel_h, layer->strip_rows);
  const int32_t step = window->stride_w * window->channels;
  const conv_t conv = {
      layer,
      tile,
      {words, words + 2 * inputs, (const uint8_t *)layer->weights, layer->constants, channels, layer->zero_point, layer->rounding},
      {layer->kernel_h, length, strip.pitch},
      words,
      spare,
      step,
      window->stride_h * strip.pitch - (window->out_w - 1) * step,
  };
  for (int32_t oy = 0; oy < window->out_h; oy += layer->strip_rows) {
    const int32_t rows = cpcc_min(layer->strip_rows, window->out_h - oy);
    run(&conv, cpcc_strip_move(&strip, oy), y + oy * window->out_w * layer->out_channels, rows * window->out_w);
  }
  cpcc_saturate(y, window->out_h * window->out_w * layer->out_channels, layer->low, layer->high);
}
