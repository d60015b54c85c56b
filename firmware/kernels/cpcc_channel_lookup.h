#ifndef CPCC_CHANNEL_LOOKUP_H
#define CPCC_CHANNEL_LOOKUP_H

#include "cpcc_fixed.h"

/* `tables` holds tables of 256 outputs, for -128 ... 127, one after the other; `index` (channels) the number of each
 * channel's. */
typedef struct {
  int32_t pixels, channels;
  const int8_t *tables;
  const uint8_t *index;
} cpcc_channel_lookup_t;

void cpcc_channel_lookup(const cpcc_channel_lookup_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
