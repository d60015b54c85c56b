#include "cpcc_blocks8.h"

#include "cpcc_rounding.h"

#if CPCC_DSP
/* 29 instructions for 32 products. A first jump of 0 enters the first unrolled block, -2 leaves; the roundings are 256 bytes
 * apart, behind the blocks.
 *   r0-r7: sums   r8 r9: inputs   r10: input   r11 r12: weights   lr: stream
 *   stack: first input, zero point, output stride, output */
#define PIXEL(sum, at)                                                                                     \
  " ldrd r8, r9, [r10, #" at "]\n smlad " sum ", r8, r11, " sum "\n smlad " sum ", r9, r12, " sum "\n"
#define ONCE(a) " smmlar " a ", " a ", r9, r10\n"
#define TFLITE(a)                                                                                          \
  " lsl.w " a ", " a ", #1\n smmlar r11, " a ", r9, r10\n add.w " a ", r11, " a ", asr #31\n asr.w " a ", " a ", r12\n"
#define TFLITE_RELU(a) " lsl.w " a ", " a ", #1\n smmlar " a ", " a ", r9, r10\n asr.w " a ", " a ", r12\n"
#define SATURATE(a) " ssat " a ", #8, " a "\n"
#define EIGHT(f) f("r0") f("r1") f("r2") f("r3") f("r4") f("r5") f("r6") f("r7")
#define CONSTANTS " ldr r9, [lr], #4\n ldr r10, [lr], #4\n ldr r12, [lr], #4\n"
#define STORE(p0, p1, p2, p3, p4, p5, p6, p7)                                                                      \
  " ldrd r8, r11, [sp, #8]\n add.w r9, r8, r8, lsl #1\n strb.w " p0 ", [r11]\n strb.w " p1 ", [r11, r8]\n"         \
  " strb.w " p2 ", [r11, r8, lsl #1]\n strb.w " p3 ", [r11, r9]\n strb.w " p4 ", [r11, r8, lsl #2]\n"              \
  " strb.w " p6 ", [r11, r9, lsl #1]\n add.w r10, r11, r8\n strb.w " p5 ", [r10, r8, lsl #2]\n"                    \
  " strb.w " p7 ", [r10, r9, lsl #1]\n add.w r11, r11, #1\n str r11, [sp, #12]\n b.w 2b\n"
#define OUTPUT EIGHT(SATURATE) STORE("r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7")
#define AT(distance) " .org .Lcpcc_blocks8_behind + " distance "\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_blocks8, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_blocks8\n.type cpcc_blocks8, %function\n.thumb_func\n"
    "cpcc_blocks8:\n"
    " push {r4-r11, lr}\n mov lr, r1\n mov r7, r2\n mov r4, r0\n ldrd r5, r6, [r3]\n push {r4-r7}\n b.n 2f\n"
    "1: add sp, #16\n pop {r4-r11, pc}\n"
    "2: ldr r0, [lr], #4\n ldr r10, [sp]\n mov r1, r0\n mov r2, r0\n mov r3, r0\n mov r4, r0\n mov r5, r0\n mov r6, r0\n"
    " mov r7, r0\n ldrsh r8, [lr], #2\n add pc, r8\n b.n 1b\n"
    "3:\n .rept 8\n ldrb r8, [lr], #5\n ldr r12, [lr, #-4]\n add r10, r10, r8, lsl #3\n sxtb16 r11, r12\n"
    " sxtb16 r12, r12, ror #8\n"
    PIXEL("r0", "0") PIXEL("r1", "8") PIXEL("r2", "16") PIXEL("r3", "24")
    PIXEL("r4", "32") PIXEL("r5", "40") PIXEL("r6", "48") PIXEL("r7", "56")
    " .endr\n ldrsh r8, [lr], #2\n add pc, r8\n nop\n"
    ".Lcpcc_blocks8_behind:\n"
    " ldr r9, [lr], #4\n ldr r10, [sp, #4]\n" EIGHT(ONCE) OUTPUT
    );
/* Compilers promise strings of 4095 characters: the rest is a statement of its own, right behind. */
__asm__(
    AT("256") CONSTANTS EIGHT(TFLITE) OUTPUT
    AT("512") CONSTANTS EIGHT(TFLITE_RELU) OUTPUT
    AT("768") " ldrsb r0, [lr], #1\n" STORE("r0", "r0", "r0", "r0", "r0", "r0", "r0", "r0")
    ".size cpcc_blocks8, . - cpcc_blocks8\n.text\n");

/* Seven instructions for four channels of a pixel.
 *   r0: next column's words   r1: fours left   r2: row   r3: columns   r4: pixel   r5 r6 r7: words   r8: pitch
 *   r9: end of the columns   r10: fours   r12: output */
__asm__(
    ".syntax unified\n.section .text.cpcc_blocks8_load, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_blocks8_load\n.type cpcc_blocks8_load, %function\n.thumb_func\n"
    "cpcc_blocks8_load:\n"
    " push {r4-r11, lr}\n ldm.w r2, {r3, r9, r10, r12}\n mov r8, r12\n mov r2, r1\n"
    "1: ldrd r4, r5, [r3], #16\n ands r5, r2\n add r4, r5\n mov r12, r0\n mov r1, r10\n adds r0, #8\n"
    "2: ldr r5, [r4], #4\n sxtb16 r6, r5\n sxtb16 r7, r5, ror #8\n strd r6, r7, [r12]\n add r12, r8\n subs r1, #1\n bne 2b\n"
    " cmp r3, r9\n bne 1b\n pop {r4-r11, pc}\n"
    ".size cpcc_blocks8_load, . - cpcc_blocks8_load\n.text\n");
#else
enum { BLOCK_BYTES = 116, BLOCKS = 8, LEAVE = -2, CONSTANT = BLOCK_BYTES * BLOCKS + 8 + 768 };

static int32_t load_bytes(const uint8_t *p, int32_t count) {
  uint32_t value = 0;
  for (int32_t i = 0; i < count; i++) {
    value |= (uint32_t)p[i] << (8 * i);
  }
  return (int32_t)value;
}

/* The blocks of one channel; gives the place of its constants. */
static const uint8_t *blocks(const uint32_t *x, const uint8_t *stream, int32_t jump, int32_t *sums) {
  int32_t count = BLOCKS - jump / BLOCK_BYTES;
  do {
    for (; count > 0; count--, stream += 5) {
      const uint32_t weights = (uint32_t)load_bytes(stream + 1, 4);
      x += 2 * stream[0];
      for (int32_t i = 0; i < 8; i++) {
        sums[i] = cpcc_smlad(x[2 * i], cpcc_sxtb16(weights), sums[i]);
        sums[i] = cpcc_smlad(x[2 * i + 1], cpcc_sxtb16_high(weights), sums[i]);
      }
    }
    jump = (int16_t)load_bytes(stream, 2);
    stream += 2;
    count = BLOCKS;
  } while (jump < 0);
  return stream;
}

void cpcc_blocks8(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  for (;; y++) {
    int32_t sums[8], constants[3] = {0, 0, 0};
    for (int32_t i = 0; i < 8; i++) {
      sums[i] = load_bytes(stream, 4);
    }
    const int32_t jump = (int16_t)load_bytes(stream + 4, 2);
    stream += 6;
    if (jump == LEAVE) {
      return;
    }
    if (jump == CONSTANT) {
      for (int32_t i = 0; i < 8; i++) {
        y[i * job->stride] = (int8_t)load_bytes(stream, 1);
      }
      stream++;
      continue;
    }
    stream = blocks(x, stream, jump, sums);
    for (int32_t i = 0; i < cpcc_channel_words(job->rounding); i++, stream += 4) {
      constants[i] = load_bytes(stream, 4);
    }
    for (int32_t i = 0; i < 8; i++) {
      y[i * job->stride] = cpcc_round(job->rounding, constants, job->zero_point, cpcc_row_a(job->rounding, sums[i]));
    }
  }
}

void cpcc_blocks8_load(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job) {
  for (const cpcc_tiles8_column_t *column = job->columns; column != job->end; column++, d += 2) {
    const int8_t *p = cpcc_tiles8_at(job->base, column->first + (row & column->first_mask));
    uint32_t *e = d;
    for (int32_t i = 0; i < job->fours; i++, p += 4, e += job->pitch / 4) {
      const uint32_t word = cpcc_load4(p);
      (void)cpcc_store2(e, cpcc_sxtb16(word), cpcc_sxtb16_high(word));
    }
  }
}
#endif
