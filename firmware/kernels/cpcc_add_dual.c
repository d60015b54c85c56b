#include "cpcc_add_dual.h"

#include "cpcc_dsp.h"
#include "cpcc_saturate.h"

/* `pair` has an element of each operand. */
static int32_t element(const cpcc_add_dual_t *layer, uint32_t pair) {
  return cpcc_ssat8(cpcc_smlad(pair, (uint32_t)layer->multipliers, layer->offset) >> layer->shift);
}

static uint32_t four(const cpcc_add_dual_t *layer, uint32_t a, uint32_t b) {
  const uint32_t a02 = cpcc_sxtb16(a), a13 = cpcc_sxtb16_high(a), b02 = cpcc_sxtb16(b), b13 = cpcc_sxtb16_high(b);
  const int32_t y0 = element(layer, cpcc_pack_low(a02, b02)), y1 = element(layer, cpcc_pack_low(a13, b13));
  const int32_t y2 = element(layer, cpcc_pack_high(a02, b02)), y3 = element(layer, cpcc_pack_high(a13, b13));
  return cpcc_pack_bytes(y0, y1, y2, y3);
}

/* y may be a or b. */
void cpcc_add_dual(const cpcc_add_dual_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch) {
  const cpcc_add_dual_t copy = *layer;
  int32_t i = 0;
  (void)scratch;
  for (; i + 8 <= copy.size; i += 8) {
    cpcc_store4(y + i, four(&copy, cpcc_load4(a + i), cpcc_load4(b + i)));
    cpcc_store4(y + i + 4, four(&copy, cpcc_load4(a + i + 4), cpcc_load4(b + i + 4)));
  }
  for (; i < copy.size; i++) {
    y[i] = (int8_t)element(&copy, cpcc_pack_low((uint32_t)(int32_t)a[i], (uint32_t)(int32_t)b[i]));
  }
  cpcc_saturate(y, copy.size, copy.low, copy.high);
}
