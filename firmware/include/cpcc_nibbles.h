/* Weights of few levels: signed whole multiples -8 to 7 of a step of their output channel, two to a byte. */
#ifndef CPCC_NIBBLES_H
#define CPCC_NIBBLES_H

#include <stdint.h>

static inline int32_t cpcc_low_nibble(uint32_t byte) { return (int32_t)(byte << 28) >> 28; }
static inline int32_t cpcc_low_bits(uint32_t byte, int32_t bits) { return (int32_t)(byte << (32 - bits)) >> (32 - bits); }
static inline int32_t cpcc_high_nibble(uint32_t byte) { return (int32_t)(byte << 24) >> 28; }

#endif
