#include "cpcc_conv2d_sparse8.h"

#include "cpcc_sparse8.h"

void cpcc_conv2d_sparse8(const cpcc_conv2d_sparse8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const int32_t padding = layer->window.pad_value;
  const cpcc_tiles8_method_t method = {cpcc_sparse8_load, cpcc_sparse8,
                                       2u * (uint32_t)(padding + 128) + ((uint32_t)padding << 24)};
  cpcc_tiles8(layer, &method, x, y, scratch);
}
