#ifndef CPCC_CONV2D_SPARSE8_H
#define CPCC_CONV2D_SPARSE8_H

#include "cpcc_tiles8.h"

/* Single weights, as cpcc_sparse8.h has them; a channel is a group, with one word for each column. */
typedef cpcc_tiles8_t cpcc_conv2d_sparse8_t;

/* scratch as cpcc_tiles8.h says. */
void cpcc_conv2d_sparse8(const cpcc_conv2d_sparse8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_conv2d_sparse8_tflite(const cpcc_conv2d_sparse8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
