#include "cpcc_max_pool2d_quad.h"

#include "cpcc_dsp.h"

typedef struct {
  int32_t start, stop;
} span_t;

static span_t clip(int32_t start, int32_t length, int32_t size) {
  const span_t span = {start < 0 ? 0 : start, start + length > size ? size : start + length};
  return span;
}

static inline uint32_t pair_max(const int8_t *x, int32_t channels) { return cpcc_max4(cpcc_load4(x), cpcc_load4(x + channels)); }

static uint32_t window_max(const int8_t *x, int32_t row_bytes, int32_t channels, int32_t rows, int32_t cols) {
  uint32_t best = cpcc_load4(x);
  for (int32_t r = 0; r < rows; r++) {
    const int8_t *p = x;
    for (int32_t c = 0; c < cols; c++) {
      best = cpcc_max4(best, cpcc_load4(p));
      p += channels;
    }
    x += row_bytes;
  }
  return best;
}

/* Where the group of channels behind `c` begins. */
static inline int32_t next_group(int32_t c, int32_t channels) {
  return c + 8 > channels && c + 4 < channels ? channels - 4 : c + 4;
}

static inline void pixel(const cpcc_max_pool2d_t *layer, const int8_t *x, int8_t *y, int32_t rows, int32_t cols) {
  const int32_t channels = layer->channels, row_bytes = layer->in_w * channels;
  if (rows == 2 && cols == 2) {
    for (int32_t c = 0; c < channels; c = next_group(c, channels)) {
      cpcc_store4(y + c, cpcc_max4(pair_max(x + c, channels), pair_max(x + c + row_bytes, channels)));
    }
  } else if (rows == 1 && cols == 2) {
    for (int32_t c = 0; c < channels; c = next_group(c, channels)) {
      cpcc_store4(y + c, pair_max(x + c, channels));
    }
  } else {
    for (int32_t c = 0; c < channels; c = next_group(c, channels)) {
      cpcc_store4(y + c, window_max(x + c, row_bytes, channels, rows, cols));
    }
  }
}

void cpcc_max_pool2d_quad(const cpcc_max_pool2d_quad_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  const int32_t channels = layer->channels;
  for (int32_t oy = 0; oy < layer->out_h; oy++) {
    const span_t rows = clip(oy * layer->stride_h - layer->top, layer->kernel_h, layer->in_h);
    for (int32_t ox = 0; ox < layer->out_w; ox++) {
      const span_t cols = clip(ox * layer->stride_w - layer->left, layer->kernel_w, layer->in_w);
      pixel(layer, x + (rows.start * layer->in_w + cols.start) * channels, y, rows.stop - rows.start, cols.stop - cols.start);
      y += channels;
    }
  }
}
