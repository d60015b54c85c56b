#ifndef CPCC_BLOCK_PRODUCT_H
#define CPCC_BLOCK_PRODUCT_H

#include "cpcc_dsp.h"

/* `acc` and the products of four weights and four inputs. */
static inline int32_t cpcc_block_product(const int8_t *w, const int8_t *x, int32_t acc) {
#if CPCC_DSP
  const uint32_t a = cpcc_load4(w), b = cpcc_load4(x);
  return cpcc_smlad(cpcc_sxtb16(a), cpcc_sxtb16(b), cpcc_smlad(cpcc_sxtb16_high(a), cpcc_sxtb16_high(b), acc));
#else
  return acc + w[0] * x[0] + w[1] * x[1] + w[2] * x[2] + w[3] * x[3];
#endif
}

#endif
