#include "cpcc_conv2d_swar.h"

void cpcc_conv2d_swar(const cpcc_conv2d_swar_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  cpcc_swar_conv(layer, cpcc_swar, 4, x, y, scratch);
}
