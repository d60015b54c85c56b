#include "cpcc_signs8.h"

#include "cpcc_rounding.h"

#if CPCC_DSP
/* Seven instructions for eight sums. A first jump of 0 enters the first unrolled addition, -2 leaves.
 *   r0-r3: sums of two pixels each   r4-r7: inputs   r8 r12: temporary   r9: output stride   r10: input   r11: output
 *   lr: stream   stack: first input */
#define INPUT(op)                                                                                       \
  " ldrb r8, [lr], #1\n add.w r10, r10, r8, lsl #2\n ldm.w r10, {r4, r5, r6, r7}\n " op " r0, r0, r4\n " \
  op " r1, r1, r5\n " op " r2, r2, r6\n " op " r3, r3, r7\n"
#define JUMP " ldrsh r8, [lr], #2\n add pc, r8\n nop\n"
#define SKIP " ldrh r8, [lr], #2\n add.w r10, r10, r8, lsl #2\n" JUMP
#define BOTH(s) " smlabt r8, " s ", r4, r5\n smlatt r12, " s ", r4, r5\n"
#define ONCE(s) BOTH(s) " smmlar r8, r8, r6, r7\n smmlar r12, r12, r6, r7\n"
#define TFLITE(s)                                                                                             \
  BOTH(s) " smmlar " s ", r8, r6, r7\n add.w r8, " s ", r8, asr #31\n smmlar " s ", r12, r6, r7\n"            \
  " add.w r12, " s ", r12, asr #31\n asr.w r8, r8, r4\n asr.w r12, r12, r4\n"
#define TFLITE_RELU(s) \
  BOTH(s) " smmlar r8, r8, r6, r7\n smmlar r12, r12, r6, r7\n asr.w r8, r8, r4\n asr.w r12, r12, r4\n"
#define STORE(low, high) " strb.w " low ", [r11]\n strb.w " high ", [r11, r9, lsl #2]\n add.w r11, r11, r9\n"
#define PIXELS(round, s) round(s) " ssat r8, #8, r8\n ssat r12, #8, r12\n" STORE("r8", "r12")
#define NEXT " sub.w r11, r11, r9, lsl #2\n add.w r11, r11, #1\n b.w 2b\n"
#define OUTPUT(round)                                                                                          \
  " add.w lr, lr, #3\n bic lr, lr, #3\n ldmia.w lr!, {r4, r5, r6, r7}\n" PIXELS(round, "r0") PIXELS(round, "r1") \
  PIXELS(round, "r2") PIXELS(round, "r3") NEXT
#define AT(distance) " .org .Lcpcc_signs8_behind + " distance "\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_signs8, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_signs8\n.type cpcc_signs8, %function\n.thumb_func\n"
    "cpcc_signs8:\n"
    " push {r4-r11, lr}\n mov lr, r1\n mov r11, r2\n ldr r9, [r3, #4]\n push {r0}\n b.n 2f\n"
    "1: add sp, #4\n pop {r4-r11, pc}\n"
    "2: ldr r10, [sp]\n ldrh r8, [lr], #2\n add.w r10, r10, r8, lsl #2\n ldm.w r10, {r0, r1, r2, r3}\n"
    " ldrsh r8, [lr], #2\n add pc, r8\n b.n 1b\n"
    " .rept 32\n" INPUT("sadd16") " .endr\n" JUMP SKIP
    " ldr.w r10, [sp]\n" JUMP
    " .rept 32\n" INPUT("ssub16") " .endr\n" JUMP SKIP
    ".Lcpcc_signs8_behind:\n"
    OUTPUT(ONCE)
    );
/* Compilers promise strings of 4095 characters: the rest is a statement of its own, right behind. */
__asm__(
    AT("256") OUTPUT(TFLITE)
    AT("512") OUTPUT(TFLITE_RELU)
    AT("768") " ldrsb r8, [lr], #1\n" STORE("r8", "r8") STORE("r8", "r8") STORE("r8", "r8") STORE("r8", "r8") NEXT
    ".size cpcc_signs8, . - cpcc_signs8\n.text\n");

void cpcc_signs8_load_fours(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job);

/* Seventeen instructions for four words: four channels of two pixels.
 *   r0: next column's words   r1: fours left   r2: row   r3: columns   r4 r6: pixels   r5 r7: their bytes
 *   r8 r9: pitch, three times it   r10 r11 lr: halfwords   r12: output   stack: end of the columns, fours */
#define WORDS(first, second) \
  " pkhbt r11, r10, lr, lsl #16\n str.w r11, " first "\n pkhtb r11, lr, r10, asr #16\n str.w r11, " second "\n"
__asm__(
    ".syntax unified\n.section .text.cpcc_signs8_load_fours, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_signs8_load_fours\n.type cpcc_signs8_load_fours, %function\n.thumb_func\n"
    "cpcc_signs8_load_fours:\n"
    " push {r4-r11, lr}\n ldm.w r2, {r3, r4, r5, r8}\n push {r4, r5}\n mov r2, r1\n add r9, r8, r8, lsl #1\n"
    "1: ldmia.w r3!, {r4, r5, r6, r7}\n ands r5, r2\n add r4, r5\n ands r7, r2\n add r6, r7\n mov r12, r0\n"
    " ldr r1, [sp, #4]\n adds r0, #4\n"
    "2: ldr r5, [r4], #4\n ldr r7, [r6], #4\n sxtb16 r10, r5\n sxtb16 lr, r7\n" WORDS("[r12]", "[r12, r8, lsl #1]")
    " sxtb16 r10, r5, ror #8\n sxtb16 lr, r7, ror #8\n" WORDS("[r12, r8]", "[r12, r9]")
    " add.w r12, r12, r8, lsl #2\n subs r1, #1\n bne 2b\n"
    " ldr r1, [sp]\n cmp r3, r1\n bne 1b\n add sp, #8\n pop {r4-r11, pc}\n"
    ".size cpcc_signs8_load_fours, . - cpcc_signs8_load_fours\n.text\n");
#else
enum { INPUT_BYTES = 28, INPUTS = 32, JUMP_BYTES = 8, SKIP_BYTES = 16, LEAVE = -2, TURN = SKIP_BYTES,
       CONSTANT = 2 * (INPUT_BYTES * INPUTS + JUMP_BYTES + SKIP_BYTES) + 12 + 768 };

static int32_t load_bytes(const uint8_t *p, int32_t count) {
  uint32_t value = 0;
  for (int32_t i = 0; i < count; i++) {
    value |= (uint32_t)p[i] << (8 * i);
  }
  return (int32_t)value;
}

static int32_t load_jump(const uint8_t **stream) {
  *stream += 2;
  return (int16_t)load_bytes(*stream - 2, 2);
}

static void add(int32_t *sums, const uint32_t *x, int32_t sign) {
  for (int32_t i = 0; i < 4; i++) {
    sums[i] += sign * (int16_t)(x[i] & 0xFFFFu);
    sums[i + 4] += sign * (int16_t)(x[i] >> 16);
  }
}

/* Inputs of one sign, entered by `jump`; gives the jump that leaves them. */
static int32_t inputs(const uint32_t *x, const uint8_t **stream, int32_t jump, int32_t *sums, int32_t sign) {
  int32_t count = INPUTS - jump / INPUT_BYTES;
  for (;;) {
    for (; count > 0; count--) {
      x += *(*stream)++;
      add(sums, x, sign);
    }
    jump = load_jump(stream);
    if (jump > 0) {
      return jump;
    }
    count = (-jump - JUMP_BYTES) / INPUT_BYTES;
    if (jump == 0) {
      x += load_bytes(*stream, 2);
      *stream += 2;
      count = (-load_jump(stream) - JUMP_BYTES - SKIP_BYTES) / INPUT_BYTES;
    }
  }
}

void cpcc_signs8(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  const uint8_t *start = stream;
  for (;; y++) {
    const uint32_t *first = x + load_bytes(stream, 2);
    int32_t sums[8] = {0};
    stream += 2;
    int32_t jump = load_jump(&stream);
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
    add(sums, first, 1);
    jump = inputs(first, &stream, jump, sums, 1);
    if (jump == TURN) {
      jump = load_jump(&stream);
      (void)inputs(x, &stream, jump, sums, -1);
    }
    stream += (start - stream) & 3;
    const int32_t packed = load_bytes(stream, 4), bias = load_bytes(stream + 4, 4);
    const int32_t constants[3] = {load_bytes(stream + 8, 4), load_bytes(stream + 12, 4), packed & 0xFFFF};
    stream += 16;
    for (int32_t i = 0; i < 8; i++) {
      y[i * job->stride] = cpcc_round(job->rounding, constants, job->zero_point, sums[i] * (packed >> 16) + bias);
    }
  }
}
#endif

/* `count` channels from channel `from` on; a loop for each count that is known. */
CPCC_INLINE void channels(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job, int32_t from, int32_t count) {
  const int32_t words = job->pitch / 4;
  d += from * words;
  for (const cpcc_tiles8_column_t *column = job->columns; column != job->end; column++, d++) {
    const int8_t *a = cpcc_tiles8_at(job->base, column->first + (row & column->first_mask) + from);
    const int8_t *b = cpcc_tiles8_at(job->base, column->second + (row & column->second_mask) + from);
    for (int32_t i = 0; i < count; i++) {
      d[i * words] = cpcc_pack_low((uint32_t)(int32_t)a[i], (uint32_t)(int32_t)b[i]);
    }
  }
}

void cpcc_signs8_load(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job) {
  if (job->fours > 0) {
#if CPCC_DSP
    cpcc_signs8_load_fours(d, row, job);
#else
    channels(d, row, job, 0, 4 * job->fours);
#endif
  }
  switch (job->rest) {
    case 1: channels(d, row, job, 4 * job->fours, 1); break;
    case 2: channels(d, row, job, 4 * job->fours, 2); break;
    case 3: channels(d, row, job, 4 * job->fours, 3); break;
    default: break;
  }
}
