#ifndef CPCC_CONCAT_H
#define CPCC_CONCAT_H

#include "cpcc_fixed.h"

/* `rows` times: sizes[i] bytes of every input i in turn. */
typedef struct {
  int32_t rows, inputs;
  const int32_t *sizes;
} cpcc_concat_t;

void cpcc_concat(const cpcc_concat_t *layer, const int8_t *const *x, int8_t *y, int8_t *scratch);

#endif
