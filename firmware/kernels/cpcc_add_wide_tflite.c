#include "cpcc_add_wide_tflite.h"

/* An operand in units of 2^-15 of twice the larger operand's scale. */
static int32_t rescale(const cpcc_add_wide_tflite_t *layer, int32_t operand, int32_t value) {
  return cpcc_scale_tflite(value * (1 << 15), layer->shifts[operand], layer->multipliers[operand]);
}

/* The sum of the first operand and `sign` times the second. */
CPCC_INLINE void run(const cpcc_add_wide_tflite_t *layer, const int16_t *a, const int16_t *b, int16_t *y, int32_t sign) {
  for (int32_t i = 0; i < layer->size; i++) {
    const int32_t sum = rescale(layer, 0, a[i]) + sign * rescale(layer, 1, b[i]);
    y[i] = (int16_t)cpcc_clamp(cpcc_scale_tflite(sum, layer->shifts[2], layer->multipliers[2]), layer->low, layer->high);
  }
}

void cpcc_add_wide_tflite(const cpcc_add_wide_tflite_t *layer, const int16_t *a, const int16_t *b, int16_t *y,
                          int8_t *scratch) {
  (void)scratch;
  run(layer, a, b, y, 1);
}

void cpcc_add_wide_tflite_difference(const cpcc_add_wide_tflite_t *layer, const int16_t *a, const int16_t *b,
                                     int16_t *y, int8_t *scratch) {
  (void)scratch;
  run(layer, a, b, y, -1);
}
