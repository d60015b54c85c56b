#include "cpcc_conv2d_swar2.h"

#include "cpcc_swar2.h"

void cpcc_conv2d_swar2(const cpcc_conv2d_swar2_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  cpcc_swar_conv(layer, cpcc_swar2, 2, x, y, scratch);
}
