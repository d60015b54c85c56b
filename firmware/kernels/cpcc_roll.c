#include "cpcc_roll.h"

#include "cpcc_dsp.h"

/* y is x, or lies before it: what is written has been read. */
void cpcc_roll(const cpcc_roll_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const int8_t *s = x + layer->first;
  int32_t count = layer->bytes;
  (void)scratch;
  for (; count >= 16; count -= 16, y += 16, s += 16) {
    const uint32_t a = cpcc_load4(s), b = cpcc_load4(s + 4), c = cpcc_load4(s + 8), d = cpcc_load4(s + 12);
    cpcc_store4(y, a);
    cpcc_store4(y + 4, b);
    cpcc_store4(y + 8, c);
    cpcc_store4(y + 12, d);
  }
  for (; count >= 4; count -= 4, y += 4, s += 4) {
    cpcc_store4(y, cpcc_load4(s));
  }
  for (; count > 0; count--) {
    *y++ = *s++;
  }
}
