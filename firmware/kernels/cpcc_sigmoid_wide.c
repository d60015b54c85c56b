#include "cpcc_sigmoid_wide.h"

/* x and y may be the same memory. */
void cpcc_sigmoid_wide(const cpcc_sigmoid_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {
  const int32_t half = (int32_t)(1u << layer->shift >> 1), below = (1 << layer->bits) - 1;
  (void)scratch;
  for (int32_t i = 0; i < layer->size; i++) {
    const int32_t scaled = (x[i] * layer->multiplier + half) >> layer->shift;
    const int32_t sign = cpcc_sign(scaled);
    const int32_t magnitude = (scaled ^ sign) - sign;
    const int32_t index = magnitude >> layer->bits;
    const int16_t *entry = layer->table + cpcc_min(index, 254);
    const int32_t line = entry[0] * (1 << layer->bits) + (magnitude & below) * (entry[1] - entry[0]);
    const int32_t inside = cpcc_sign(index - 255);
    const int32_t found = (line & inside) | (layer->saturated & ~inside);
    y[i] = (int16_t)(((found ^ sign) + layer->offset) >> layer->right);
  }
}
