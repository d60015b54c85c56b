#ifndef CPCC_BLOCKS8_ASM_H
#define CPCC_BLOCKS8_ASM_H

/* What the forms of cpcc_blocks8 share. 29 instructions for 32 products. A first jump of 0 enters the first unrolled block, -2
 * leaves; the roundings lie behind the blocks.
 *   r0-r7: sums   r8 r9: inputs   r10: input   r11 r12: weights   lr: stream
 *   stack: first input, zero point, output stride, output, and what a form adds */
#include "cpcc_rounding.h"
#include "cpcc_tiles8.h"

#if CPCC_DSP
#define CPCC_B8_PIXEL(sum, at)                                                                                \
  " ldrd r8, r9, [r10, #" at "]\n smlad " sum ", r8, r11, " sum "\n smlad " sum ", r9, r12, " sum "\n"
#define CPCC_B8_ONCE(a) " smmlar " a ", " a ", r9, r10\n"
#define CPCC_B8_TFLITE(a)                                                                                          \
  " lsl.w " a ", " a ", #1\n smmlar r11, " a ", r9, r10\n add.w " a ", r11, " a ", asr #31\n asr.w " a ", " a ", r12\n"
#define CPCC_B8_RELU(a) " lsl.w " a ", " a ", #1\n smmlar " a ", " a ", r9, r10\n asr.w " a ", " a ", r12\n"
#define CPCC_B8_SATURATE(a) " ssat " a ", #8, " a "\n"
#define CPCC_B8_EIGHT(f) f("r0") f("r1") f("r2") f("r3") f("r4") f("r5") f("r6") f("r7")
#define CPCC_B8_STORE(p0, p1, p2, p3, p4, p5, p6, p7)                                                              \
  " ldrd r8, r11, [sp, #8]\n add.w r9, r8, r8, lsl #1\n strb.w " p0 ", [r11]\n strb.w " p1 ", [r11, r8]\n"         \
  " strb.w " p2 ", [r11, r8, lsl #1]\n strb.w " p3 ", [r11, r9]\n strb.w " p4 ", [r11, r8, lsl #2]\n"              \
  " strb.w " p6 ", [r11, r9, lsl #1]\n add.w r10, r11, r8\n strb.w " p5 ", [r10, r8, lsl #2]\n"                    \
  " strb.w " p7 ", [r10, r9, lsl #1]\n add.w r11, r11, #1\n str r11, [sp, #12]\n b.w 2b\n"
#define CPCC_B8_OUTPUT CPCC_B8_EIGHT(CPCC_B8_SATURATE) CPCC_B8_STORE("r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7")
/* From the arguments to the first channel; `frame` are the bytes that `push` lays on the stack. */
#define CPCC_B8_BEGIN(name, push, frame)                                                                     \
  ".syntax unified\n.section .text." name ", \"ax\", %progbits\n.thumb\n.p2align 2\n"                           \
  ".global " name "\n.type " name ", %function\n.thumb_func\n" name ":\n"                                       \
  " push {r4-r11, lr}\n mov lr, r1\n mov r7, r2\n mov r4, r0\n ldrd r5, r6, [r3]\n" push " b.n 2f\n"              \
  "1: add sp, #" frame "\n pop {r4-r11, pc}\n"
/* The start of a channel in r0 becomes that of all pixels; into the blocks. */
#define CPCC_B8_ENTER                                                                                             \
  " ldr r10, [sp]\n mov r1, r0\n mov r2, r0\n mov r3, r0\n mov r4, r0\n mov r5, r0\n mov r6, r0\n mov r7, r0\n" \
  " ldrsh r8, [lr], #2\n add pc, r8\n b.n 1b\n"
#define CPCC_B8_BLOCKS                                                                                            \
  "3:\n .rept 8\n ldrb r8, [lr], #5\n ldr r12, [lr, #-4]\n add r10, r10, r8, lsl #3\n sxtb16 r11, r12\n"           \
  " sxtb16 r12, r12, ror #8\n"                                                                                    \
  CPCC_B8_PIXEL("r0", "0") CPCC_B8_PIXEL("r1", "8") CPCC_B8_PIXEL("r2", "16") CPCC_B8_PIXEL("r3", "24")           \
  CPCC_B8_PIXEL("r4", "32") CPCC_B8_PIXEL("r5", "40") CPCC_B8_PIXEL("r6", "48") CPCC_B8_PIXEL("r7", "56")         \
  " .endr\n ldrsh r8, [lr], #2\n add pc, r8\n nop\n"
#else
enum { CPCC_B8_BLOCK = 116, CPCC_B8_COUNT = 8, CPCC_B8_LEAVE = -2 };

static inline int32_t cpcc_blocks8_bytes(const uint8_t *p, int32_t count) {
  uint32_t value = 0;
  for (int32_t i = 0; i < count; i++) {
    value |= (uint32_t)p[i] << (8 * i);
  }
  return (int32_t)value;
}

/* The blocks of one channel; gives where its last jump ends. */
static inline const uint8_t *cpcc_blocks8_sums(const uint32_t *x, const uint8_t *stream, int32_t jump, int32_t *sums) {
  int32_t count = CPCC_B8_COUNT - jump / CPCC_B8_BLOCK;
  do {
    for (; count > 0; count--, stream += 5) {
      const uint32_t weights = (uint32_t)cpcc_blocks8_bytes(stream + 1, 4);
      x += 2 * stream[0];
      for (int32_t i = 0; i < 8; i++) {
        sums[i] = cpcc_smlad(x[2 * i], cpcc_sxtb16(weights), sums[i]);
        sums[i] = cpcc_smlad(x[2 * i + 1], cpcc_sxtb16_high(weights), sums[i]);
      }
    }
    jump = (int16_t)cpcc_blocks8_bytes(stream, 2);
    stream += 2;
    count = CPCC_B8_COUNT;
  } while (jump < 0);
  return stream;
}

static inline void cpcc_blocks8_store(const cpcc_tiles8_run_t *job, const int32_t *sums, const int32_t *constants, int8_t *y) {
  for (int32_t i = 0; i < 8; i++) {
    y[i * job->stride] = cpcc_round(job->rounding, constants, job->zero_point, cpcc_row_a(job->rounding, sums[i]));
  }
}
#endif

#endif
