#include "cpcc_pad_spread_wide.h"

void cpcc_pad_spread_wide(const cpcc_pad_spread_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->out_size; i++) {
    y[i] = 0;
  }
  for (int32_t i = 0; i < layer->h; i++) {
    for (int32_t j = 0; j < layer->w; j++) {
      int32_t at = layer->start + i * layer->step_h + j * layer->step_w;
      for (int32_t k = 0; k < layer->channels; k++) {
        y[at] = *x++;
        at += layer->step_c;
      }
    }
  }
}
