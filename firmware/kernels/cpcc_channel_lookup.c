#include "cpcc_channel_lookup.h"

/* x and y may be the same memory. */
void cpcc_channel_lookup(const cpcc_channel_lookup_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t pixel = 0; pixel < layer->pixels; pixel++) {
    for (int32_t channel = 0; channel < layer->channels; channel++) {
      *y++ = layer->tables[256 * layer->index[channel] + *x++ + 128];
    }
  }
}
