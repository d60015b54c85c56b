#include "cpcc_add_table_tflite.h"

#include "cpcc_dsp.h"
#include "cpcc_saturate.h"

typedef struct {
  const int32_t *a, *b;
  uint32_t multiplier;
  int32_t offset, shift;
} rescale_t;

static int32_t element(const rescale_t *r, uint32_t a, uint32_t b) {
  const int32_t sum = r->a[a & 0xFFu] + r->b[b & 0xFFu];
  return cpcc_ssat8((cpcc_smmlar((uint32_t)sum, r->multiplier, r->offset) + (sum >> 31)) >> r->shift);
}

static uint32_t four(const rescale_t *r, uint32_t a, uint32_t b) {
  const int32_t y0 = element(r, a, b), y1 = element(r, a >> 8, b >> 8);
  const int32_t y2 = element(r, a >> 16, b >> 16), y3 = element(r, a >> 24, b >> 24);
  return cpcc_pack_bytes(y0, y1, y2, y3);
}

/* y may be a or b. */
void cpcc_add_table_tflite(const cpcc_add_table_tflite_t *layer, const int8_t *a, const int8_t *b, int8_t *y,
                           int8_t *scratch) {
  const int32_t *constants = layer->constants;
  const rescale_t r = {layer->table_a, layer->table_b, (uint32_t)constants[0], constants[1], constants[2]};
  int32_t i = 0;
  (void)scratch;
  for (; i + 4 <= layer->size; i += 4) {
    cpcc_store4(y + i, four(&r, cpcc_load4(a + i), cpcc_load4(b + i)));
  }
  for (; i < layer->size; i++) {
    y[i] = (int8_t)element(&r, (uint32_t)(int32_t)a[i], (uint32_t)(int32_t)b[i]);
  }
  cpcc_saturate(y, layer->size, layer->low, layer->high);
}
