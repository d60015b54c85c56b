#include "cpcc_weighted_sum.h"

static int8_t *run(const cpcc_weighted_sum_t *layer, const int8_t *a, const int8_t *b, int8_t *y) {
  const cpcc_broadcast_t *shape = &layer->shape;
  for (int32_t i = 0; i < shape->size_inner; i++) {
    const int32_t sum = *a * layer->a_multiplier + *b * layer->b_multiplier + layer->offset;
    *y++ = (int8_t)cpcc_clamp(sum >> layer->shift, layer->low, layer->high);
    a += shape->a_inner;
    b += shape->b_inner;
  }
  return y;
}

void cpcc_weighted_sum(const cpcc_weighted_sum_t *layer, const int8_t *a, const int8_t *b, int8_t *y,
                       int8_t *scratch) {
  const cpcc_broadcast_t *shape = &layer->shape;
  (void)scratch;
  for (int32_t i = 0; i < shape->size_outer; i++) {
    for (int32_t j = 0; j < shape->size_middle; j++) {
      y = run(layer, a + i * shape->a_outer + j * shape->a_middle, b + i * shape->b_outer + j * shape->b_middle, y);
    }
  }
}
