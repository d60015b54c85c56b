#include "cpcc_mul_wide.h"

static int16_t *row(const cpcc_mul_wide_t *layer, const int16_t *a, const int16_t *b, int16_t *y) {
  const cpcc_broadcast_t *shape = &layer->shape;
  for (int32_t i = 0; i < shape->size_inner; i++) {
    const int32_t scaled = cpcc_scale_tflite(*a * *b, layer->shift, layer->multiplier);
    *y++ = (int16_t)cpcc_clamp(scaled, layer->low, layer->high);
    a += shape->a_inner;
    b += shape->b_inner;
  }
  return y;
}

void cpcc_mul_wide_tflite(const cpcc_mul_wide_t *layer, const int16_t *a, const int16_t *b, int16_t *y, int8_t *scratch) {
  const cpcc_broadcast_t *shape = &layer->shape;
  (void)scratch;
  for (int32_t i = 0; i < shape->size_outer; i++) {
    for (int32_t j = 0; j < shape->size_middle; j++) {
      y = row(layer, a + i * shape->a_outer + j * shape->a_middle, b + i * shape->b_outer + j * shape->b_middle, y);
    }
  }
}
