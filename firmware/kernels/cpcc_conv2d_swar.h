#ifndef CPCC_CONV2D_SWAR_H
#define CPCC_CONV2D_SWAR_H

#include "cpcc_swar_conv.h"

/* Four pixels at a time, two in a word: see cpcc_swar.h and cpcc_swar_conv.h. */
typedef cpcc_swar_conv_t cpcc_conv2d_swar_t;

void cpcc_conv2d_swar(const cpcc_conv2d_swar_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
