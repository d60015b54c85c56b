#include "cpcc_mean.h"

void cpcc_mean(const cpcc_mean_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t channel = 0; channel < layer->channels; channel++) {
    const int8_t *p = x + channel;
    int32_t sum = layer->start;
    for (int32_t pixel = 0; pixel < layer->pixels; pixel++) {
      sum += p[pixel * layer->channels];
    }
    const int32_t scaled = cpcc_scale(sum, layer->left_shift, layer->multiplier);
    y[channel] = (int8_t)cpcc_clamp(scaled + layer->zero_point, -128, 127);
  }
}
