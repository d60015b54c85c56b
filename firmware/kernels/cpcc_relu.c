#include "cpcc_relu.h"

/* x and y may be the same memory. */
void cpcc_relu(const cpcc_relu_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->size; i++) {
    y[i] = (int8_t)cpcc_clamp(x[i], layer->zero_point, 127);
  }
}
