/* The header has all of it: a layer calls its program directly, so the kernel is compiled into the layer. */
#include "cpcc_linear_unrolled_apart.h"
