#ifndef CPCC_CONV2D_BLOCKS8_H
#define CPCC_CONV2D_BLOCKS8_H

#include "cpcc_tiles8.h"

/* Blocks of four input channels, as cpcc_blocks8.h has them; four channels are a group, with two words for each column. */
typedef cpcc_tiles8_t cpcc_conv2d_blocks8_t;

/* scratch as cpcc_tiles8.h says. */
void cpcc_conv2d_blocks8(const cpcc_conv2d_blocks8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
