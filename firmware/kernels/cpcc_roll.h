#ifndef CPCC_ROLL_H
#define CPCC_ROLL_H

#include "cpcc_fixed.h"

/* The last `bytes` bytes of an image, which begin `first` bytes behind its beginning. */
typedef struct {
  int32_t first, bytes;
} cpcc_roll_t;

void cpcc_roll(const cpcc_roll_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
