#include "cpcc_conv2d_sparse.h"

#include "cpcc_pad.h"

#define PIXELS 4

/* `pixels` neighbouring outputs of every channel; `step` elements lie between their windows. Called with the
   constant PIXELS for most and 1 for the rest of a row, so that the inner loops unroll and each weight and offset
   is loaded once for all. */
static inline __attribute__((always_inline)) void columns(const cpcc_conv2d_sparse_t *layer, const int8_t *x,
                                                          int32_t step, int8_t *y, int32_t pixels) {
  const uint16_t *offset = layer->offsets;
  const int8_t *weight = layer->weights;
  const int32_t channels = layer->out_channels;
  for (int32_t out = 0; out < channels; out++) {
    int32_t acc[PIXELS];
    for (int32_t k = 0; k < pixels; k++) {
      acc[k] = layer->output.bias[out];
    }
    for (const int8_t *end = weight + layer->counts[out]; weight != end;) {
      const int8_t *p = x + *offset++;
      const int32_t w = *weight++;
      for (int32_t k = 0; k < pixels; k++) {
        acc[k] += w * p[k * step];
      }
    }
    for (int32_t k = 0; k < pixels; k++) {
      y[k * channels + out] = cpcc_requantize(&layer->output, out, acc[k]);
    }
  }
}

void cpcc_conv2d_sparse(const cpcc_conv2d_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t step = window->stride_w * window->channels;
  const int32_t row = (window->left + window->in_w + window->right) * window->channels;
  const int8_t *line = cpcc_pad(window, x, scratch);
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = line;
    int32_t ox = 0;
    for (; ox + PIXELS <= window->out_w; ox += PIXELS) {
      columns(layer, p, step, y, PIXELS);
      p += PIXELS * step;
      y += PIXELS * layer->out_channels;
    }
    for (; ox < window->out_w; ox++) {
      columns(layer, p, step, y, 1);
      p += step;
      y += layer->out_channels;
    }
    line += window->stride_h * row;
  }
}
