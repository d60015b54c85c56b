#ifndef CPCC_WIDEN_H
#define CPCC_WIDEN_H

#include "cpcc_dsp.h"

/* Int16 copies of four inputs at a time: halfwords 0 and 2, then 1 and 3. The last block may read up to three bytes
 * behind x: buffers of the arena end at multiples of 8, and those inputs meet zero weights. */
static inline void cpcc_widen(uint32_t *d, const int8_t *x, int32_t blocks) {
  for (; blocks > 1; blocks -= 2, x += 8) {
    const uint32_t first = cpcc_load4(x), second = cpcc_load4(x + 4);
    d = cpcc_store2(d, cpcc_sxtb16(first), cpcc_sxtb16_high(first));
    d = cpcc_store2(d, cpcc_sxtb16(second), cpcc_sxtb16_high(second));
  }
  if (blocks > 0) {
    const uint32_t word = cpcc_load4(x);
    (void)cpcc_store2(d, cpcc_sxtb16(word), cpcc_sxtb16_high(word));
  }
}

#endif
