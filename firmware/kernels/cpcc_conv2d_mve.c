#include "cpcc_conv2d_mve.h"

#include "cpcc_mve4x2.h"
#include "cpcc_strip.h"

typedef struct {
  const cpcc_conv2d_mve_t *layer;
  cpcc_mve4x2_t tile;
  int8_t *patches; /* two */
  int32_t run, pitch;
} conv_t;

/* The pixels with windows at p0 and p1. */
static void pair(const conv_t *conv, const int8_t *p0, const int8_t *p1, int8_t *y0, int8_t *y1) {
  const cpcc_conv2d_mve_t *layer = conv->layer;
  int8_t *second = conv->patches + 16 * layer->blocks;
  const int8_t *x[2] = {p0, p1};
  int8_t *const y[2] = {y0, y1};
  if (layer->copies) {
    cpcc_mve_patch(conv->patches, p0, layer->kernel_h, conv->run, conv->pitch);
    cpcc_mve_patch(second, p1, layer->kernel_h, conv->run, conv->pitch);
    x[0] = conv->patches;
    x[1] = second;
  }
  cpcc_mve4x2(&conv->tile, x, y);
}

void cpcc_conv2d_mve(const cpcc_conv2d_mve_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t channels = layer->out_channels, step = window->stride_w * window->channels;
  const cpcc_strip_t strip = cpcc_strip(window, x, scratch + (layer->copies ? 32 * layer->blocks : 0), layer->kernel_h, 1);
  const conv_t conv = {
      layer,
      {layer->blocks, channels, layer->weights, layer->constants, layer->rounding, layer->zero_point, layer->low, layer->high},
      scratch,
      layer->kernel_w * window->channels,
      strip.pitch,
  };
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = cpcc_strip_move(&strip, oy);
    int32_t left = window->out_w;
    for (; left > 1; left -= 2, p += 2 * step, y += 2 * channels) {
      pair(&conv, p, p + step, y, y + channels);
    }
    if (left > 0) {
      pair(&conv, p, p, y, y);
      y += channels;
    }
  }
}
