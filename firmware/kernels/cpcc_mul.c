#include "cpcc_mul.h"

CPCC_INLINE int8_t *row(const cpcc_mul_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int tflite) {
  const cpcc_broadcast_t *shape = &layer->shape;
  for (int32_t i = 0; i < shape->size_inner; i++) {
    const int32_t product = (*a - layer->a_zero_point) * (*b - layer->b_zero_point);
    const int32_t scaled = tflite ? cpcc_scale_tflite(product, layer->shift, layer->multiplier)
                                  : cpcc_scale(product, layer->shift, layer->multiplier);
    *y++ = (int8_t)cpcc_clamp(scaled + layer->zero_point, layer->low, layer->high);
    a += shape->a_inner;
    b += shape->b_inner;
  }
  return y;
}

CPCC_INLINE void run(const cpcc_mul_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int tflite) {
  const cpcc_broadcast_t *shape = &layer->shape;
  for (int32_t i = 0; i < shape->size_outer; i++) {
    for (int32_t j = 0; j < shape->size_middle; j++) {
      const int8_t *first = a + i * shape->a_outer + j * shape->a_middle;
      y = row(layer, first, b + i * shape->b_outer + j * shape->b_middle, y, tflite);
    }
  }
}

void cpcc_mul(const cpcc_mul_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch) {
  (void)scratch;
  run(layer, a, b, y, 0);
}

void cpcc_mul_tflite(const cpcc_mul_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch) {
  (void)scratch;
  run(layer, a, b, y, 1);
}
