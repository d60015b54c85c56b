#include "cpcc_avg_pool2d_quad.h"

#include "cpcc_dsp.h"

/* Sums of channels 0 and 2, and of 1 and 3, as halfwords. */
typedef struct {
  uint32_t even, odd;
} sums_t;

static sums_t window_sums(const cpcc_avg_pool2d_t *layer, const int8_t *x, const uint16_t *rows, const uint16_t *cols) {
  const int32_t channels = layer->channels;
  sums_t sums = {0, 0};
  for (int32_t r = rows[0]; r < rows[1]; r++) {
    const int8_t *p = x + (r * layer->in_w + cols[0]) * channels;
    for (int32_t c = cols[0]; c < cols[1]; c++) {
      const uint32_t word = cpcc_load4(p);
      sums.even = cpcc_sxtab16(sums.even, word);
      sums.odd = cpcc_sxtab16_high(sums.odd, word);
      p += channels;
    }
  }
  return sums;
}

void cpcc_avg_pool2d_quad(const cpcc_avg_pool2d_quad_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->out_h; i++) {
    const uint16_t *rows = layer->rows + 2 * i;
    for (int32_t j = 0; j < layer->out_w; j++) {
      const uint16_t *cols = layer->cols + 2 * j;
      const int32_t class = layer->uniform ? 0 : layer->divisor_class[i * layer->out_w + j];
      const int32_t area = (rows[1] - rows[0]) * (cols[1] - cols[0]);
      const int32_t padding = layer->zero_point * (layer->divisors[class] - area);
      for (int32_t c = 0; c < layer->channels; c += 4) {
        const sums_t sums = window_sums(layer, x + c, rows, cols);
        const int32_t sum[4] = {(int16_t)(sums.even & 0xFFFFu), (int16_t)(sums.odd & 0xFFFFu), (int16_t)(sums.even >> 16),
                                (int16_t)(sums.odd >> 16)};
        for (int32_t k = 0; k < 4; k++) {
          *y++ = (int8_t)cpcc_clamp(cpcc_average(layer, padding + sum[k], class), -128, 127);
        }
      }
    }
  }
}
