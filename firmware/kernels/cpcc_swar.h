#ifndef CPCC_SWAR_H
#define CPCC_SWAR_H

#include <stdint.h>

#include "cpcc_rounding.h"

/* Four output channels of four pixels at a time for cores without SIMD: a word holds one input of two pixels,
 * x0 + (x1 << 16), so one 32-bit multiply-accumulate does two products ("SIMD within a register").
 * A sum of both halves starts at 2^15 and is exact while each half stays within 16 bits. The compiler cuts the inputs
 * into chunks for which that holds whatever the data. After a chunk its sum is added to S, modulo 2^32, and its upper half to B,
 * the total of the second pixel; that of the first is S - (B << 16).
 * `weights` has, per four channels and chunk: four weights of the first input; a halfword, the distance that skips the
 * unrolled steps not needed; four weights for each other input. `constants` has, per four channels: S and B of each to
 * begin with, then its rounding constants (see cpcc_rounding.h). */
#define CPCC_SWAR_STEPS 16       /* unrolled; a chunk has at most one more */
#define CPCC_SWAR_STEP_BYTES 52  /* of code */

/* In the assembly's order. */
typedef struct {
  const uint32_t *x, *x_end; /* two words per input: pixels 0 and 1, then 2 and 3 */
  const uint8_t *weights;
  const int32_t *constants;
  int32_t channels; /* a multiple of 4 above 0; also bytes from one pixel's outputs to the next one's */
  int32_t zero_point;
  int32_t rounding; /* cpcc_rounding_t */
} cpcc_swar_t;

void cpcc_swar(const cpcc_swar_t *tile, int8_t *y);

/* Packs the patches of four pixels at p[0] to p[3]: `rows` runs of `run` bytes, `pitch` bytes from one to the next. */
typedef struct {
  int32_t rows, run, pitch;
} cpcc_swar_patch_t;

void cpcc_swar_pack(uint32_t *d, const int8_t *const p[4], const cpcc_swar_patch_t *patch);

#endif
