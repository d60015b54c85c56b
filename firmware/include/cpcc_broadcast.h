#ifndef CPCC_BROADCAST_H
#define CPCC_BROADCAST_H

#include "cpcc_fixed.h"

/* Three nested loops over two operands; steps in elements, 0 where an operand is repeated. */
typedef struct {
  int32_t size_outer, a_outer, b_outer;
  int32_t size_middle, a_middle, b_middle;
  int32_t size_inner, a_inner, b_inner;
} cpcc_broadcast_t;

#endif
