#include "cpcc_conv2d_sparse8.h"

#include "cpcc_sparse8.h"

static uint32_t padding(const cpcc_conv2d_sparse8_t *layer) {
  const int32_t value = layer->window.pad_value;
  return 2u * (uint32_t)(value + 128) + ((uint32_t)value << 24);
}

void cpcc_conv2d_sparse8(const cpcc_conv2d_sparse8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  cpcc_tiles8(layer, cpcc_sparse8_load, cpcc_sparse8_once, padding(layer), x, y, scratch);
}

void cpcc_conv2d_sparse8_tflite(const cpcc_conv2d_sparse8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  cpcc_tiles8(layer, cpcc_sparse8_load, cpcc_sparse8_tflite, padding(layer), x, y, scratch);
}
