#include "cpcc_concat.h"

void cpcc_concat(const cpcc_concat_t *layer, const int8_t *const *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t row = 0; row < layer->rows; row++) {
    for (int32_t input = 0; input < layer->inputs; input++) {
      const int32_t size = layer->sizes[input];
      const int8_t *p = x[input] + row * size;
      for (int32_t i = 0; i < size; i++) {
        *y++ = p[i];
      }
    }
  }
}
