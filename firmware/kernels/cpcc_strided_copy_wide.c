#include "cpcc_strided_copy_wide.h"

/* Where the next run begins. */
static int32_t advance(const cpcc_strided_copy_wide_t *layer, int32_t *index, int32_t at) {
  for (int32_t loop = layer->loops - 1; loop >= 0; loop--) {
    at += layer->strides[loop];
    if (++index[loop] < layer->sizes[loop]) {
      break;
    }
    at -= layer->strides[loop] * layer->sizes[loop];
    index[loop] = 0;
  }
  return at;
}

void cpcc_strided_copy_wide(const cpcc_strided_copy_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch) {
  int32_t index[CPCC_COPY_LOOPS];
  int32_t start = layer->offset;
  (void)scratch;
  for (int32_t loop = 0; loop < CPCC_COPY_LOOPS; loop++) {
    index[loop] = 0;
  }
  for (int32_t row = 0; row < layer->rows; row++) {
    int32_t at = start;
    for (int32_t i = 0; i < layer->inner; i++) {
      *y++ = x[at];
      at += layer->step;
    }
    start = advance(layer, index, start);
  }
}
