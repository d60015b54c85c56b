#include "cpcc_mean_wide.h"

void cpcc_mean_wide(const cpcc_mean_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t channel = 0; channel < layer->channels; channel++) {
    const int16_t *p = x + channel;
    int32_t sum = 0;
    for (int32_t pixel = 0; pixel < layer->pixels; pixel++) {
      sum += p[pixel * layer->channels];
    }
    y[channel] = (int16_t)cpcc_clamp(cpcc_scale(sum, layer->left_shift, layer->multiplier), INT16_MIN, INT16_MAX);
  }
}
