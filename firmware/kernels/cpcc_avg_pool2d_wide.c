#include "cpcc_avg_pool2d_wide.h"

static int32_t window_sum(const cpcc_avg_pool2d_wide_t *layer, const int16_t *x, const uint16_t *rows,
                          const uint16_t *cols) {
  int32_t sum = 0;
  for (int32_t r = rows[0]; r < rows[1]; r++) {
    const int16_t *p = x + (r * layer->in_w + cols[0]) * layer->channels;
    for (int32_t c = cols[0]; c < cols[1]; c++) {
      sum += *p;
      p += layer->channels;
    }
  }
  return sum;
}

/* Padding holds 0, so a window that counts it only has a larger divisor. */
void cpcc_avg_pool2d_wide(const cpcc_avg_pool2d_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->out_h; i++) {
    for (int32_t j = 0; j < layer->out_w; j++) {
      const int32_t class = layer->uniform ? 0 : layer->divisor_class[i * layer->out_w + j];
      for (int32_t c = 0; c < layer->channels; c++) {
        const int32_t sum = window_sum(layer, x + c, layer->rows + 2 * i, layer->cols + 2 * j);
        *y++ = (int16_t)cpcc_average(layer, sum, class);
      }
    }
  }
}
