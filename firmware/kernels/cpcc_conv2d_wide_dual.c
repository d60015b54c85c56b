#include "cpcc_conv2d_wide_dual.h"

#include "cpcc_pad_wide.h"
#include "cpcc_wide2x2.h"

/* All channels of the two patches, the second of which may be the first again. */
static void two_pixels(const cpcc_conv2d_wide_dual_t *layer, const uint32_t *x0, const uint32_t *x1, int16_t *y0,
                       int16_t *y1) {
  const cpcc_wide_output_t *out = &layer->output;
  const uint32_t *w = layer->weights;
  int32_t c = 0;
  for (; c + 1 < layer->out_channels; c += 2, w += 2 * layer->groups) {
    const int32_t a = out->bias[c], b = out->bias[c + 1];
    const cpcc_wide2x2_t bias = {a, b, a, b};
    const cpcc_wide2x2_t sum = cpcc_wide2x2(bias, w, x0, x1, layer->groups);
    y0[c] = cpcc_wide_round(out, c, sum.a0);
    y0[c + 1] = cpcc_wide_round(out, c + 1, sum.b0);
    y1[c] = cpcc_wide_round(out, c, sum.a1);
    y1[c + 1] = cpcc_wide_round(out, c + 1, sum.b1);
  }
  if (c < layer->out_channels) {
    const cpcc_wide2x2_t bias = {out->bias[c], 0, out->bias[c], 0};
    const cpcc_wide2x2_t sum = cpcc_wide2x2(bias, w, x0, x1, layer->groups);
    y0[c] = cpcc_wide_round(out, c, sum.a0);
    y1[c] = cpcc_wide_round(out, c, sum.a1);
  }
}

/* The window at `x`, its rows one after the other. */
static void gather(const cpcc_conv2d_wide_dual_t *layer, int16_t *patch, const int16_t *x, int32_t row) {
  const int32_t run = layer->kernel_w * layer->window.channels;
  for (int32_t ky = 0; ky < layer->kernel_h; ky++, patch += run, x += row) {
    cpcc_wide_copy(patch, x, run);
  }
}

void cpcc_conv2d_wide_dual(const cpcc_conv2d_wide_dual_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t row = (window->left + window->in_w + window->right) * window->channels;
  const int32_t step = window->stride_w * window->channels, size = layer->kernel_h * layer->kernel_w * window->channels;
  int16_t *first = (int16_t *)(void *)scratch, *second = first + 4 * layer->groups;
  const uint32_t *x0 = (const uint32_t *)(const void *)first, *x1 = (const uint32_t *)(const void *)second;
  const int16_t *line = cpcc_pad_wide(window, x, scratch + 16 * layer->groups);
  cpcc_wide_fill(first, size, layer->groups);
  cpcc_wide_fill(second, size, layer->groups);
  for (int32_t oy = 0; oy < window->out_h; oy++, line += window->stride_h * row) {
    const int16_t *p = line;
    int32_t ox = 0;
    for (; ox + 1 < window->out_w; ox += 2, p += 2 * step, y += 2 * layer->out_channels) {
      gather(layer, first, p, row);
      gather(layer, second, p + step, row);
      two_pixels(layer, x0, x1, y, y + layer->out_channels);
    }
    if (ox < window->out_w) {
      gather(layer, first, p, row);
      two_pixels(layer, x0, x0, y, y);
      y += layer->out_channels;
    }
  }
}
