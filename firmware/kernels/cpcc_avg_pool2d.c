#include "cpcc_avg_pool2d.h"

static int32_t window_sum(const cpcc_avg_pool2d_t *layer, const int8_t *x, const uint16_t *rows,
                          const uint16_t *cols) {
  int32_t sum = 0;
  for (int32_t r = rows[0]; r < rows[1]; r++) {
    const int8_t *p = x + (r * layer->in_w + cols[0]) * layer->channels;
    for (int32_t c = cols[0]; c < cols[1]; c++) {
      sum += *p;
      p += layer->channels;
    }
  }
  return sum;
}

void cpcc_avg_pool2d(const cpcc_avg_pool2d_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->out_h; i++) {
    const uint16_t *rows = layer->rows + 2 * i;
    for (int32_t j = 0; j < layer->out_w; j++) {
      const uint16_t *cols = layer->cols + 2 * j;
      const int32_t class = layer->uniform ? 0 : layer->divisor_class[i * layer->out_w + j];
      const int32_t area = (rows[1] - rows[0]) * (cols[1] - cols[0]);
      const int32_t padding = layer->zero_point * (layer->divisors[class] - area);
      for (int32_t c = 0; c < layer->channels; c++) {
        const int32_t sum = padding + window_sum(layer, x + c, rows, cols);
        *y++ = (int8_t)cpcc_clamp(cpcc_average(layer, sum, class), -128, 127);
      }
    }
  }
}
