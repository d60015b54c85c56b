#include "cpcc_add_table_tflite.h"

#include "cpcc_dsp.h"
#include "cpcc_saturate.h"

/* Twice the sum of both operands, rounded. */
CPCC_INLINE int32_t element(uint32_t multiplier, int32_t offset, int32_t shift, int32_t sum) {
  return cpcc_ssat8((cpcc_smmlar((uint32_t)sum, multiplier, offset) + (sum >> 31)) >> shift);
}

/* y may be a or b. */
void cpcc_add_table_tflite(const cpcc_add_table_tflite_t *layer, const int8_t *a, const int8_t *b, int8_t *y,
                           int8_t *scratch) {
  const int32_t *ta = layer->table_a, *tb = layer->table_b;
  const uint32_t m = (uint32_t)layer->constants[0];
  const int32_t offset = layer->constants[1], shift = layer->constants[2];
  const int8_t *end = y + layer->size, *fours = end - layer->size % 4;
  int8_t *d = y;
  (void)scratch;
  while (d != fours) {
    const uint32_t u = cpcc_load4(a), v = cpcc_load4(b);
    a += 4;
    b += 4;
    const int32_t y0 = element(m, offset, shift, ta[u & 0xFFu] + tb[v & 0xFFu]);
    const int32_t y1 = element(m, offset, shift, ta[u >> 8 & 0xFFu] + tb[v >> 8 & 0xFFu]);
    const int32_t y2 = element(m, offset, shift, ta[u >> 16 & 0xFFu] + tb[v >> 16 & 0xFFu]);
    const int32_t y3 = element(m, offset, shift, ta[u >> 24] + tb[v >> 24]);
    cpcc_store4(d, cpcc_pack_bytes(y0, y1, y2, y3));
    d += 4;
  }
  while (d != end) {
    *d++ = (int8_t)element(m, offset, shift, ta[(uint8_t)*a++] + tb[(uint8_t)*b++]);
  }
  cpcc_saturate(y, layer->size, layer->low, layer->high);
}
