#include "cpcc_depthwise_sparse.h"

CPCC_INLINE int32_t next(const uint8_t *fields, int32_t bits, cpcc_depthwise_place_t *place) {
  const int32_t there = fields[place->bit >> 3] >> (place->bit & 7) & 1;
  const int32_t weight = there != 0 ? *place->weight : 0;
  place->bit += bits;
  place->weight += there;
  return weight;
}

CPCC_INLINE void run(const cpcc_depthwise_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  cpcc_depthwise_rows(&layer->rows, layer->mask, 1, layer->weights, 0, 0, next, x, y, scratch, tflite);
}

CPCC_BOTH_ROUNDINGS(cpcc_depthwise_sparse)
