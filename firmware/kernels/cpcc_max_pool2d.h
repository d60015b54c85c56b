#ifndef CPCC_MAX_POOL2D_H
#define CPCC_MAX_POOL2D_H

#include "cpcc_fixed.h"

typedef struct {
  int32_t in_h, in_w, channels;
  int32_t out_h, out_w;
  int32_t kernel_h, kernel_w;
  int32_t stride_h, stride_w;
  int32_t top, left;
} cpcc_max_pool2d_t;

void cpcc_max_pool2d(const cpcc_max_pool2d_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
