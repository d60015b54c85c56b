#ifndef CPCC_SATURATE_H
#define CPCC_SATURATE_H

#include "cpcc_fixed.h"

/* Clamps `count` outputs that the int8 range alone has bounded so far. Nothing to do for most layers: a ReLU's
 * lower bound is the zero point, and that is -128 where the output has no negative values. */
static inline void cpcc_saturate(int8_t *y, int32_t count, int32_t low, int32_t high) {
  if (low > -128 || high < 127) {
    for (int32_t i = 0; i < count; i++) {
      y[i] = (int8_t)cpcc_clamp(y[i], low, high);
    }
  }
}

#endif
