#include "cpcc_convert.h"

CPCC_INLINE int32_t convert(const cpcc_convert_t *layer, int32_t x, int32_t low, int32_t high) {
  const int32_t scaled = cpcc_scale(x - layer->in_zero_point, layer->left_shift, layer->multiplier);
  return cpcc_clamp(scaled + layer->zero_point, low, high);
}

#define CONVERT(from, to, low, high)                                                                     \
  void cpcc_convert_##from##_##to(const cpcc_convert_t *layer, const int##from##_t *x, int##to##_t *y,   \
                                  int8_t *scratch) {                                                     \
    (void)scratch;                                                                                       \
    for (int32_t i = 0; i < layer->size; i++) {                                                          \
      y[i] = (int##to##_t)convert(layer, x[i], low, high);                                               \
    }                                                                                                    \
  }

CONVERT(8, 8, INT8_MIN, INT8_MAX)
CONVERT(8, 16, INT16_MIN, INT16_MAX)
CONVERT(16, 8, INT8_MIN, INT8_MAX)
CONVERT(16, 16, INT16_MIN, INT16_MAX)
