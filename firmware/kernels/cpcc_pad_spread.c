#include "cpcc_pad_spread.h"

static void fill(int8_t *y, int32_t size, int8_t value) {
  for (int32_t i = 0; i < size; i++) {
    y[i] = value;
  }
}

void cpcc_pad_spread(const cpcc_pad_spread_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  fill(y, layer->out_size, (int8_t)layer->value);
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
