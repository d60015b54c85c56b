#ifndef CPCC_LINEAR_NIBBLES_H
#define CPCC_LINEAR_NIBBLES_H

#include "cpcc_fixed.h"

/* Dense weights of few levels: per output two multiples of its step in a byte, the lower first; the last byte of an odd
 * number of inputs has one. */
typedef struct {
  int32_t in_features;
  int32_t out_features;
  const uint8_t *multiples;
  const uint8_t *steps;
  cpcc_output_t output;
} cpcc_linear_nibbles_t;

void cpcc_linear_nibbles(const cpcc_linear_nibbles_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);
void cpcc_linear_nibbles_tflite(const cpcc_linear_nibbles_t *layer, const int8_t *x, int8_t *y, int8_t *scratch);

#endif
