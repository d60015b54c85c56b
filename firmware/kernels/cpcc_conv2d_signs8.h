#ifndef CPCC_CONV2D_SIGNS8_H
#define CPCC_CONV2D_SIGNS8_H

#include "cpcc_tiles8.h"

/* Weights of one level and two signs, as cpcc_signs8.h has them; a channel is a group, with one word for each column. */
typedef cpcc_tiles8_t cpcc_conv2d_signs8_t;

/* scratch as cpcc_tiles8.h says. */
void cpcc_conv2d_signs8(const cpcc_conv2d_signs8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
