#include "cpcc_depthwise_few.h"

#include "cpcc_nibbles.h"

CPCC_INLINE int32_t next(const uint8_t *fields, int32_t bits, cpcc_depthwise_place_t *place) {
  const uint8_t *from = fields + (place->bit >> 3);
  const uint32_t both = from[0] | (uint32_t)from[1] << 8;
  const int32_t multiple = cpcc_low_bits(both >> (place->bit & 7), bits);
  place->bit += bits;
  return multiple;
}

CPCC_INLINE void run(const cpcc_depthwise_few_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  cpcc_depthwise_rows(&layer->rows, layer->multiples, layer->bits, 0, layer->steps, layer->step_stride, next, x, y, scratch, tflite);
}

CPCC_BOTH_ROUNDINGS(cpcc_depthwise_few)
