#ifndef CPCC_CONV2D_SWAR2_H
#define CPCC_CONV2D_SWAR2_H

#include "cpcc_swar_conv.h"

/* Four pixels and two channels at a time, two pixels in a word: see cpcc_swar2.h and cpcc_swar_conv.h. */
typedef cpcc_swar_conv_t cpcc_conv2d_swar2_t;

void cpcc_conv2d_swar2(const cpcc_conv2d_swar2_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
