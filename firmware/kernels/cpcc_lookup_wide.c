#include "cpcc_lookup_wide.h"

/* x and y may be the same memory. */
void cpcc_lookup_wide(const cpcc_lookup_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->size; i++) {
    y[i] = (int16_t)cpcc_interpolate(layer->table, x[i]);
  }
}
