#include "cpcc_sum_wide.h"

static int16_t *run(const cpcc_sum_wide_t *layer, const int16_t *a, const int16_t *b, int16_t *y) {
  const cpcc_broadcast_t *shape = &layer->shape;
  const int32_t factor = (int32_t)(1u << layer->left_shift);
  for (int32_t i = 0; i < shape->size_inner; i++) {
    const int64_t left = cpcc_long_product(*a * factor, layer->a_multiplier);
    const int64_t right = cpcc_long_product(*b * factor, layer->b_multiplier);
    const int32_t sum = (int32_t)((left + right + INT64_C(0x80000000)) >> 32);
    *y++ = (int16_t)cpcc_clamp(sum, layer->low, layer->high);
    a += shape->a_inner;
    b += shape->b_inner;
  }
  return y;
}

void cpcc_sum_wide(const cpcc_sum_wide_t *layer, const int16_t *a, const int16_t *b, int16_t *y, int8_t *scratch) {
  const cpcc_broadcast_t *shape = &layer->shape;
  (void)scratch;
  for (int32_t i = 0; i < shape->size_outer; i++) {
    for (int32_t j = 0; j < shape->size_middle; j++) {
      y = run(layer, a + i * shape->a_outer + j * shape->a_middle, b + i * shape->b_outer + j * shape->b_middle, y);
    }
  }
}
