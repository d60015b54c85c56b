#ifndef CPCC_SPARSE8_ASM_H
#define CPCC_SPARSE8_ASM_H

/* What the forms of cpcc_sparse8 share. Nine instructions for eight products. A first jump of 0 enters the first unrolled
 * entry, -2 leaves; the roundings lie behind the entries.
 *   r0:r1 ... r6:r7: sums of two pixels each   r8 r9: inputs   r10: input   r11: output   r12: weight   lr: stream
 *   stack: first input, zero point, output stride, three times it, and what a form adds */
#include "cpcc_rounding.h"
#include "cpcc_tiles8.h"

#if CPCC_DSP
#define CPCC_S8_SINGLE(lo, hi) \
  " lsrs.w r8, " lo ", #24\n adc.w r8, r8, " hi ", lsl #8\n sbfx " hi ", " lo ", #1, #23\n"
#define CPCC_S8_ONCE(lo, hi) CPCC_S8_SINGLE(lo, hi) " smmlar " lo ", r8, r9, r10\n smmlar " hi ", " hi ", r9, r10\n"
#define CPCC_S8_TWICE(lo, hi) \
  " lsrs.w r8, " lo ", #23\n adc.w r8, r8, " hi ", lsl #9\n sbfx " hi ", " lo ", #0, #24\n"
#define CPCC_S8_TFLITE(lo, hi)                                                                    \
  CPCC_S8_TWICE(lo, hi) " smmlar " lo ", r8, r9, r10\n add.w " lo ", " lo ", r8, asr #31\n"       \
  " smmlar r8, " hi ", r9, r10\n add.w " hi ", r8, " hi ", asr #31\n"
#define CPCC_S8_RELU(lo, hi) CPCC_S8_TWICE(lo, hi) " smmlar " lo ", r8, r9, r10\n smmlar " hi ", " hi ", r9, r10\n"
#define CPCC_S8_SHIFT(lo, hi) " asr.w " lo ", " lo ", r12\n asr.w " hi ", " hi ", r12\n"
#define CPCC_S8_FOUR(f) f("r0", "r1") f("r2", "r3") f("r4", "r5") f("r6", "r7")
#define CPCC_S8_SATURATE(lo, hi) " ssat " lo ", #8, " lo "\n ssat " hi ", #8, " hi "\n"
#define CPCC_S8_STORE(p0, p1, p2, p3, p4, p5, p6, p7)                                                              \
  " ldrd r8, r9, [sp, #8]\n strb.w " p0 ", [r11]\n strb.w " p1 ", [r11, r8]\n strb.w " p2 ", [r11, r8, lsl #1]\n" \
  " strb.w " p3 ", [r11, r9]\n strb.w " p4 ", [r11, r8, lsl #2]\n strb.w " p6 ", [r11, r9, lsl #1]\n"       \
  " add.w r10, r11, r8\n strb.w " p5 ", [r10, r8, lsl #2]\n strb.w " p7 ", [r10, r9, lsl #1]\n"             \
  " add.w r11, r11, #1\n b.w 2b\n"
#define CPCC_S8_OUTPUT CPCC_S8_STORE("r1", "r3", "r5", "r7", "r0", "r2", "r4", "r6")
/* From the arguments to the first channel; `frame` are the bytes that `push` lays on the stack. */
#define CPCC_S8_BEGIN(name, push, frame)                                                                     \
  ".syntax unified\n.section .text." name ", \"ax\", %progbits\n.thumb\n.p2align 2\n"                            \
  ".global " name "\n.type " name ", %function\n.thumb_func\n" name ":\n"                                        \
  " push {r4-r11, lr}\n mov lr, r1\n mov r11, r2\n mov r4, r0\n ldrd r5, r6, [r3]\n add r7, r6, r6, lsl #1\n" push \
  " b.n 2f\n1: add sp, #" frame "\n pop {r4-r11, pc}\n"
/* The start of a channel in r0 and r1, and r2 and r3, becomes that of all pixels; into the entries. */
#define CPCC_S8_ENTER " mov r4, r0\n mov r5, r1\n mov r6, r0\n mov r7, r1\n ldrsh r8, [lr], #2\n add pc, r8\n b.n 1b\n"
#define CPCC_S8_ENTRIES                                                                                      \
  "3:\n .rept 32\n ldrsb r12, [lr, #1]\n ldrb r8, [lr], #2\n add r10, r10, r8, lsl #2\n ldrd r8, r9, [r10]\n"     \
  " smlal r0, r1, r8, r12\n smlal r2, r3, r9, r12\n ldrd r8, r9, [r10, #8]\n smlal r4, r5, r8, r12\n"             \
  " smlal r6, r7, r9, r12\n .endr\n"                                                                              \
  " ldrsh r8, [lr], #2\n add pc, r8\n nop\n"
#else
enum { CPCC_S8_ENTRY = 36, CPCC_S8_COUNT = 32, CPCC_S8_LEAVE = -2 };
enum { CPCC_S8_BEHIND = CPCC_S8_ENTRY * CPCC_S8_COUNT + 8 };

static inline int32_t cpcc_sparse8_load_bytes(const uint8_t *p, int32_t count) {
  uint32_t value = 0;
  for (int32_t i = 0; i < count; i++) {
    value |= (uint32_t)p[i] << (8 * i);
  }
  return (int32_t)value;
}

/* Both pixels of a word: the signed product sums of low and high part, as one SMLAL adds them. */
static inline void cpcc_sparse8_multiply(int64_t *sums, const uint32_t *x, int32_t weight) {
  for (int32_t i = 0; i < 4; i++) {
    sums[i] += (int64_t)(int32_t)x[i] * weight;
  }
}

static inline void cpcc_sparse8_store(const cpcc_tiles8_run_t *job, const int64_t *sums, const int32_t *constants, int8_t *y) {
  for (int32_t i = 0; i < 4; i++) {
    const uint32_t low = (uint32_t)((uint64_t)sums[i] & 0xFFFFFFu);
    const int32_t twice = (int32_t)(low ^ 0x800000u) - 0x800000;
    const int32_t s1 = (int32_t)((sums[i] - twice) / (1 << 24));
    y[i * job->stride] = cpcc_round(job->rounding, constants, job->zero_point, cpcc_row_a(job->rounding, twice / 2));
    y[(i + 4) * job->stride] = cpcc_round(job->rounding, constants, job->zero_point, cpcc_row_a(job->rounding, s1));
  }
}

/* The entries of one channel; gives the jump that leaves them. */
static inline int32_t cpcc_sparse8_entries(const uint32_t *x, const uint8_t **stream, int32_t jump, int64_t *sums) {
  int32_t count = CPCC_S8_COUNT - jump / CPCC_S8_ENTRY;
  do {
    for (; count > 0; count--, *stream += 2) {
      x += (*stream)[0];
      cpcc_sparse8_multiply(sums, x, (int8_t)(*stream)[1]);
    }
    jump = (int16_t)cpcc_sparse8_load_bytes(*stream, 2);
    *stream += 2;
    count = CPCC_S8_COUNT;
  } while (jump < 0);
  return jump;
}
#endif

#endif
