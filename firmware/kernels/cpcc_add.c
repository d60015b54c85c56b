#include "cpcc_add.h"

void cpcc_add(const cpcc_add_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->size; i++) {
    const int32_t sum = a[i] * layer->multiplier_a + b[i] * layer->multiplier_b + layer->offset;
    y[i] = (int8_t)cpcc_clamp(sum >> layer->shift, layer->low, layer->high);
  }
}
