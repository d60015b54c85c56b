#ifndef CPCC_ROUND_ROW_H
#define CPCC_ROUND_ROW_H

#include "cpcc_rounding.h"

/* Several outputs of one rounding. In the assembly's order. */
typedef struct {
  int32_t step;      /* bytes from one output to the next */
  int32_t constants; /* words from one output's constants to the next one's; 0: all have the same */
  int32_t zero_point;
  int32_t rounding; /* cpcc_rounding_t */
} cpcc_round_row_t;

/* The outputs for `acc` up to `end`, each as cpcc_round wants it. */
void cpcc_round_row(const int32_t *acc, const int32_t *end, const int32_t *constants, int8_t *y,
                    const cpcc_round_row_t *job);

#endif
