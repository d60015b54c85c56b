#include "cpcc_max_pool2d_wide.h"

typedef struct {
  int32_t start, stop;
} span_t;

static span_t clip(int32_t start, int32_t length, int32_t size) {
  const span_t span = {start < 0 ? 0 : start, start + length > size ? size : start + length};
  return span;
}

static int16_t window_max(const cpcc_max_pool2d_wide_t *layer, const int16_t *x, span_t rows, span_t cols) {
  const int32_t channels = layer->channels;
  int32_t best = INT16_MIN;
  for (int32_t r = rows.start; r < rows.stop; r++) {
    const int16_t *p = x + (r * layer->in_w + cols.start) * channels;
    for (int32_t c = cols.start; c < cols.stop; c++) {
      best = cpcc_max(best, *p);
      p += channels;
    }
  }
  return (int16_t)best;
}

void cpcc_max_pool2d_wide(const cpcc_max_pool2d_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t oy = 0; oy < layer->out_h; oy++) {
    const span_t rows = clip(oy * layer->stride_h - layer->top, layer->kernel_h, layer->in_h);
    for (int32_t ox = 0; ox < layer->out_w; ox++) {
      const span_t cols = clip(ox * layer->stride_w - layer->left, layer->kernel_w, layer->in_w);
      for (int32_t c = 0; c < layer->channels; c++) {
        *y++ = window_max(layer, x + c, rows, cols);
      }
    }
  }
}
