#ifndef CPCC_SIGNS8_H
#define CPCC_SIGNS8_H

#include "cpcc_tiles8.h"

/* Rows whose weights are one level, its negative and zero, times eight pixels: inputs are added and subtracted, two pixels
 * in a word as halfwords, which the compiler proves not to overflow. An input has four consecutive words: pixels 0 and 4, 1
 * and 5, 2 and 6, 3 and 7.
 * The stream has, per output channel: the first added input in words, 16 bits; a jump; the other added inputs, a byte each,
 * words from the one before; a jump; where inputs are subtracted, a jump and they; a jump; from a multiple of four on, the
 * level above the right shift, the bias, the multiplier and what it adds (see cpcc_rounding.h; level and bias twice where that
 * wants twice the accumulator). After every 32 inputs and at a wide gap there is a jump too, at the gap with 16 bits of
 * words and another jump. A channel whose output is one value has that value behind its first jump and nothing more. Jumps
 * are 16-bit distances in code, as in cpcc_sparse8.h. cpcc/formats/signs8.py writes it. */
void cpcc_signs8(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job);

/* The words of all channels of an input row at `row`. */
void cpcc_signs8_load(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job);

#endif
