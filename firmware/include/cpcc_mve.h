/* What the Helium kernels share: assembly of the requantization of four 32-bit lanes, and its portable twin. */
#ifndef CPCC_MVE_H
#define CPCC_MVE_H

#include "cpcc_fixed.h"
#include "cpcc_rounding.h"

#if defined(__ARM_FEATURE_MVE)
#define CPCC_MVE 1

/* Exact for cpcc_round: VRMULH is round(a * b / 2^32), VQRDMULH is round(2 * a * b / 2^32), both halves up; VSHL by a negative
 * number shifts right, towards minus infinity. Lanes in `a`, multipliers in `m`; offsets in `o`, negated shifts in `s`; `t` is
 * free. The zero point is in `zero_point` or in the offsets. */
#define CPCC_MVE_ONCE(a, m, zero_point) " vrmulh.s32 " a ", " a ", " m "\n vadd.i32 " a ", " a ", " zero_point "\n"
#define CPCC_MVE_TFLITE(a, m, o, s, t)                                                             \
  " vqrdmulh.s32 " t ", " a ", " m "\n vshr.s32 " a ", " a ", #31\n vadd.i32 " a ", " a ", " t "\n" \
  " vadd.i32 " a ", " a ", " o "\n vshl.s32 " a ", " a ", " s "\n"
#define CPCC_MVE_RELU(a, m, o, s) \
  " vqrdmulh.s32 " a ", " a ", " m "\n vadd.i32 " a ", " a ", " o "\n vshl.s32 " a ", " a ", " s "\n"
#define CPCC_MVE_CLAMP(a, low, high) " vmax.s32 " a ", " a ", " low "\n vmin.s32 " a ", " a ", " high "\n"
#else
#define CPCC_MVE 0

/* The output of lane `i` of four for `acc`, from vectors of constants. */
static inline int8_t cpcc_mve_round(int32_t rounding, const int32_t *vectors, int32_t i, int32_t zero_point, int32_t low,
                                    int32_t high, int32_t acc) {
  int32_t q;
  if (rounding == CPCC_ONCE) {
    q = cpcc_smmlar((uint32_t)acc, (uint32_t)vectors[i], zero_point);
  } else {
    const int32_t product = cpcc_smmlar((uint32_t)acc * 2u, (uint32_t)vectors[i], 0);
    q = (product + (rounding == CPCC_TFLITE ? acc >> 31 : 0) + vectors[4 + i]) >> -vectors[8 + i];
  }
  return (int8_t)cpcc_clamp(q, low, high);
}
#endif

/* Words of one group's vectors of constants. */
static inline int32_t cpcc_mve_words(int32_t rounding) { return 4 * cpcc_channel_words(rounding); }

#endif
