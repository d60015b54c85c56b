/* The instructions of Arm's DSP extension that kernels use, each with a portable twin that gives the same bits: the host
 * runs the same algorithms under its sanitizers. Source: Armv7-M Architecture Reference Manual, A7.7. */
#ifndef CPCC_DSP_H
#define CPCC_DSP_H

#include "cpcc_fixed.h"

#if defined(__ARM_FEATURE_DSP)
#define CPCC_DSP 1

#define CPCC_UNARY(function, instruction)              \
  static inline uint32_t function(uint32_t a) {        \
    uint32_t d;                                        \
    __asm__(instruction : "=r"(d) : "r"(a));           \
    return d;                                          \
  }
#define CPCC_BINARY(function, instruction)                 \
  static inline uint32_t function(uint32_t a, uint32_t b) { \
    uint32_t d;                                            \
    __asm__(instruction : "=r"(d) : "r"(a), "r"(b));       \
    return d;                                              \
  }
#define CPCC_TERNARY(function, instruction)                           \
  static inline int32_t function(uint32_t a, uint32_t b, int32_t c) { \
    int32_t d;                                                        \
    __asm__(instruction : "=r"(d) : "r"(a), "r"(b), "r"(c));          \
    return d;                                                         \
  }

CPCC_UNARY(cpcc_sxtb16, "sxtb16 %0, %1")
CPCC_UNARY(cpcc_sxtb16_high, "sxtb16 %0, %1, ror #8")
CPCC_UNARY(cpcc_cross_signed, "sxtb16 %0, %1, ror #16")
CPCC_UNARY(cpcc_cross_unsigned, "uxtb16 %0, %1, ror #16")
CPCC_BINARY(cpcc_pack_low, "pkhbt %0, %1, %2, lsl #16")
CPCC_BINARY(cpcc_pack_high, "pkhtb %0, %2, %1, asr #16")
CPCC_BINARY(cpcc_sxtab16, "sxtab16 %0, %1, %2")
CPCC_BINARY(cpcc_sxtab16_high, "sxtab16 %0, %1, %2, ror #8")
CPCC_TERNARY(cpcc_smlad, "smlad %0, %1, %2, %3")
CPCC_TERNARY(cpcc_smlsd, "smlsd %0, %1, %2, %3")
CPCC_TERNARY(cpcc_smlabb, "smlabb %0, %1, %2, %3")
CPCC_TERNARY(cpcc_smlatt, "smlatt %0, %1, %2, %3")
CPCC_TERNARY(cpcc_smmlar, "smmlar %0, %1, %2, %3")

static inline int32_t cpcc_smlaw(int32_t a, int32_t b, int32_t c) {
  int32_t d;
  __asm__("smlawb %0, %1, %2, %3" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}

static inline int32_t cpcc_ssat8(int32_t a) {
  int32_t d;
  __asm__("ssat %0, #8, %1" : "=r"(d) : "r"(a));
  return d;
}

/* The larger of each pair of signed bytes. */
static inline uint32_t cpcc_max4(uint32_t a, uint32_t b) {
  uint32_t d;
  __asm__("ssub8 %0, %1, %2\n sel %0, %1, %2" : "=&r"(d) : "r"(a), "r"(b) : "cc");
  return d;
}

/* Stores two words and gives the address behind them. */
static inline uint32_t *cpcc_store2(uint32_t *p, uint32_t a, uint32_t b) {
  __asm__ volatile("strd %1, %2, [%0], #8" : "+r"(p) : "r"(a), "r"(b) : "memory");
  return p;
}
#else
#define CPCC_DSP 0

static inline int32_t cpcc_low_half(uint32_t a) { return (int16_t)(a & 0xFFFFu); }
static inline int32_t cpcc_high_half(uint32_t a) { return (int16_t)(a >> 16); }

/* Bytes 0 and 2, sign-extended to halfwords. */
static inline uint32_t cpcc_sxtb16(uint32_t a) {
  const uint32_t low = (uint32_t)(int8_t)(a & 0xFFu), high = (uint32_t)(int8_t)(a >> 16 & 0xFFu);
  return (low & 0xFFFFu) | high << 16;
}

/* Bytes 1 and 3. */
static inline uint32_t cpcc_sxtb16_high(uint32_t a) { return cpcc_sxtb16(a >> 8 | a << 24); }

/* Bytes 2 and 0, sign-extended or not to halfwords. */
static inline uint32_t cpcc_cross_signed(uint32_t a) { return cpcc_sxtb16(a >> 16 | a << 16); }
static inline uint32_t cpcc_cross_unsigned(uint32_t a) { return (a >> 16 & 0xFFu) | (a & 0xFFu) << 16; }

/* Bytes 0 and 2 of b, or 1 and 3, sign-extended and added to the halfwords of a, each modulo 2^16. */
static inline uint32_t cpcc_sxtab16(uint32_t a, uint32_t b) {
  const uint32_t wide = cpcc_sxtb16(b);
  return ((a + wide) & 0xFFFFu) | ((a & 0xFFFF0000u) + (wide & 0xFFFF0000u));
}
static inline uint32_t cpcc_sxtab16_high(uint32_t a, uint32_t b) { return cpcc_sxtab16(a, b >> 8 | b << 24); }

/* Low halfword of a, low halfword of b above it. */
static inline uint32_t cpcc_pack_low(uint32_t a, uint32_t b) { return (a & 0xFFFFu) | b << 16; }

/* High halfword of a, high halfword of b above it. */
static inline uint32_t cpcc_pack_high(uint32_t a, uint32_t b) { return a >> 16 | (b & 0xFFFF0000u); }

/* c + a.low * b.low + a.high * b.high, modulo 2^32. */
static inline int32_t cpcc_smlad(uint32_t a, uint32_t b, int32_t c) {
  const uint32_t low = (uint32_t)(cpcc_low_half(a) * cpcc_low_half(b));
  const uint32_t high = (uint32_t)(cpcc_high_half(a) * cpcc_high_half(b));
  return (int32_t)((uint32_t)c + low + high);
}

/* c + a.low * b.low - a.high * b.high, modulo 2^32. */
static inline int32_t cpcc_smlsd(uint32_t a, uint32_t b, int32_t c) {
  const uint32_t low = (uint32_t)(cpcc_low_half(a) * cpcc_low_half(b));
  const uint32_t high = (uint32_t)(cpcc_high_half(a) * cpcc_high_half(b));
  return (int32_t)((uint32_t)c + low - high);
}

/* c + a.low * b.low, and of the high halfwords, modulo 2^32. */
static inline int32_t cpcc_smlabb(uint32_t a, uint32_t b, int32_t c) {
  return (int32_t)((uint32_t)c + (uint32_t)(cpcc_low_half(a) * cpcc_low_half(b)));
}

static inline int32_t cpcc_smlatt(uint32_t a, uint32_t b, int32_t c) {
  return (int32_t)((uint32_t)c + (uint32_t)(cpcc_high_half(a) * cpcc_high_half(b)));
}

/* c + floor(a * b / 2^16) of an int16 b, modulo 2^32. */
static inline int32_t cpcc_smlaw(int32_t a, int32_t b, int32_t c) {
  return (int32_t)((uint32_t)c + (uint32_t)(((int64_t)a * b) >> 16));
}

/* c + round(a * b / 2^32), halves up, modulo 2^32. */
static inline int32_t cpcc_smmlar(uint32_t a, uint32_t b, int32_t c) {
#if defined(__ARM_ARCH_6M__)
  /* From four products of halves, as cpcc_long_product, of which the low word is not needed. */
  const int32_t a1 = (int32_t)a >> 16, b1 = (int32_t)b >> 16, a0 = (int32_t)(a & 0xFFFFu), b0 = (int32_t)(b & 0xFFFFu);
  const int32_t p = a1 * b0, q = a0 * b1;
  const uint32_t middle = ((uint32_t)a0 * (uint32_t)b0 >> 16) + ((uint32_t)p & 0xFFFFu) + ((uint32_t)q & 0xFFFFu) + 0x8000u;
  return (int32_t)((uint32_t)c + (uint32_t)(a1 * b1) + (uint32_t)(p >> 16) + (uint32_t)(q >> 16) + (middle >> 16));
#else
  const int64_t product = (int64_t)(int32_t)a * (int32_t)b;
  return (int32_t)((uint32_t)c + (uint32_t)((product + INT64_C(0x80000000)) >> 32));
#endif
}

static inline int32_t cpcc_ssat8(int32_t a) { return cpcc_clamp(a, -128, 127); }

static inline uint32_t cpcc_max4(uint32_t a, uint32_t b) {
  uint32_t d = 0;
  for (int32_t shift = 0; shift < 32; shift += 8) {
    d |= ((uint32_t)cpcc_max((int8_t)(a >> shift & 0xFFu), (int8_t)(b >> shift & 0xFFu)) & 0xFFu) << shift;
  }
  return d;
}

static inline uint32_t *cpcc_store2(uint32_t *p, uint32_t a, uint32_t b) {
  p[0] = a;
  p[1] = b;
  return p + 2;
}
#endif

/* The low bytes of four values, the first lowest. */
static inline uint32_t cpcc_pack_bytes(int32_t a, int32_t b, int32_t c, int32_t d) {
#if CPCC_DSP
  __asm__("bfi %0, %1, #8, #24" : "+r"(a) : "r"(b));
  __asm__("bfi %0, %1, #8, #24" : "+r"(c) : "r"(d));
  return cpcc_pack_low((uint32_t)a, (uint32_t)c);
#else
  return ((uint32_t)a & 0xFFu) | ((uint32_t)b & 0xFFu) << 8 | ((uint32_t)c & 0xFFu) << 16 | (uint32_t)d << 24;
#endif
}

/* Four bytes at any address. */
static inline uint32_t cpcc_load4(const int8_t *p) {
  uint32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}

static inline void cpcc_store4(int8_t *p, uint32_t word) { __builtin_memcpy(p, &word, sizeof word); }

#endif
