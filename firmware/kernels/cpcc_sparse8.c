#include "cpcc_sparse8.h"

#include "cpcc_rounding.h"

#if CPCC_DSP
/* Nine instructions for eight products. A first jump of 0 enters the first unrolled entry, -2 leaves; the roundings are
 * 256 bytes apart, behind the entries.
 *   r0:r1 ... r6:r7: sums of two pixels each   r8 r9: inputs   r10: input   r11: output   r12: weight   lr: stream
 *   stack: first input, zero point, output stride, three times it */
#define SINGLE(lo, hi) \
  " lsrs.w r8, " lo ", #24\n adc.w r8, r8, " hi ", lsl #8\n sbfx " hi ", " lo ", #1, #23\n"
#define TWICE(lo, hi) \
  " lsrs.w r8, " lo ", #23\n adc.w r8, r8, " hi ", lsl #9\n sbfx " hi ", " lo ", #0, #24\n"
#define ONCE(lo, hi) SINGLE(lo, hi) " smmlar " lo ", r8, r9, r10\n smmlar " hi ", " hi ", r9, r10\n"
#define TFLITE(lo, hi)                                                                                               \
  TWICE(lo, hi) " smmlar " lo ", r8, r9, r10\n add.w " lo ", " lo ", r8, asr #31\n asr.w " lo ", " lo ", r12\n"      \
  " smmlar r8, " hi ", r9, r10\n add.w " hi ", r8, " hi ", asr #31\n asr.w " hi ", " hi ", r12\n"
#define TFLITE_RELU(lo, hi)                                                      \
  TWICE(lo, hi) " smmlar " lo ", r8, r9, r10\n asr.w " lo ", " lo ", r12\n"      \
  " smmlar " hi ", " hi ", r9, r10\n asr.w " hi ", " hi ", r12\n"
#define FOUR(f) f("r0", "r1") f("r2", "r3") f("r4", "r5") f("r6", "r7")
#define SATURATE(lo, hi) " ssat " lo ", #8, " lo "\n ssat " hi ", #8, " hi "\n"
#define CONSTANTS " ldmia.w lr!, {r9, r10, r12}\n"
#define STORE(p0, p1, p2, p3, p4, p5, p6, p7)                                                              \
  " ldrd r8, r9, [sp, #8]\n strb.w " p0 ", [r11]\n strb.w " p1 ", [r11, r8]\n strb.w " p2 ", [r11, r8, lsl #1]\n" \
  " strb.w " p3 ", [r11, r9]\n strb.w " p4 ", [r11, r8, lsl #2]\n strb.w " p6 ", [r11, r9, lsl #1]\n"       \
  " add.w r10, r11, r8\n strb.w " p5 ", [r10, r8, lsl #2]\n strb.w " p7 ", [r10, r9, lsl #1]\n"             \
  " add.w r11, r11, #1\n b.w 2b\n"
#define OUTPUT FOUR(SATURATE) STORE("r1", "r3", "r5", "r7", "r0", "r2", "r4", "r6")
#define AT(distance) " .org .Lcpcc_sparse8_behind + " distance "\n"
#define ALIGN " add.w lr, lr, #2\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_sparse8, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_sparse8\n.type cpcc_sparse8, %function\n.thumb_func\n"
    "cpcc_sparse8:\n"
    " push {r4-r11, lr}\n mov lr, r1\n mov r11, r2\n mov r4, r0\n ldrd r5, r6, [r3]\n add r7, r6, r6, lsl #1\n"
    " push {r4-r7}\n b.n 2f\n"
    "1: add sp, #16\n pop {r4-r11, pc}\n"
    "2: ldrd r0, r1, [lr], #8\n ldr r10, [sp]\n"
    " mov r2, r0\n mov r3, r1\n mov r4, r0\n mov r5, r1\n mov r6, r0\n mov r7, r1\n"
    " ldrsh r8, [lr], #2\n add pc, r8\n b.n 1b\n"
    "3:\n .rept 32\n ldrsb r12, [lr, #1]\n ldrb r8, [lr], #2\n add r10, r10, r8, lsl #2\n ldrd r8, r9, [r10]\n"
    " smlal r0, r1, r8, r12\n smlal r2, r3, r9, r12\n ldrd r8, r9, [r10, #8]\n smlal r4, r5, r8, r12\n"
    " smlal r6, r7, r9, r12\n .endr\n"
    " ldrsh r8, [lr], #2\n add pc, r8\n nop\n"
    ".Lcpcc_sparse8_behind:\n"
    ALIGN " ldr r9, [lr], #4\n ldr r10, [sp, #4]\n" FOUR(ONCE) OUTPUT
    AT("256") ALIGN CONSTANTS FOUR(TFLITE) OUTPUT
    AT("512") ALIGN CONSTANTS FOUR(TFLITE_RELU) OUTPUT
    AT("768") " ldrsh r1, [lr], #2\n" STORE("r1", "r1", "r1", "r1", "r1", "r1", "r1", "r1")
    ".size cpcc_sparse8, . - cpcc_sparse8\n.text\n");
#else
enum { ENTRY_BYTES = 36, ENTRIES = 32, LEAVE = -2, CONSTANT = ENTRY_BYTES * ENTRIES + 8 + 768, ALIGNED = 4 };

static int32_t load_bytes(const uint8_t *p, int32_t count) {
  uint32_t value = 0;
  for (int32_t i = 0; i < count; i++) {
    value |= (uint32_t)p[i] << (8 * i);
  }
  return (int32_t)value;
}

/* Both pixels of a word: the signed product sums of low and high part, as one SMLAL adds them. */
static void multiply(int64_t *sums, const uint32_t *x, int32_t weight) {
  for (int32_t i = 0; i < 4; i++) {
    sums[i] += (int64_t)(int32_t)x[i] * weight;
  }
}

static void store(const cpcc_tiles8_run_t *job, const int64_t *sums, const int32_t *constants, int8_t *y) {
  for (int32_t i = 0; i < 4; i++) {
    const uint32_t low = (uint32_t)((uint64_t)sums[i] & 0xFFFFFFu);
    const int32_t twice = (int32_t)(low ^ 0x800000u) - 0x800000;
    const int32_t s1 = (int32_t)((sums[i] - twice) / (1 << 24));
    y[i * job->stride] = cpcc_round(job->rounding, constants, job->zero_point, cpcc_row_a(job->rounding, twice / 2));
    y[(i + 4) * job->stride] = cpcc_round(job->rounding, constants, job->zero_point, cpcc_row_a(job->rounding, s1));
  }
}

/* The entries of one channel; gives the place of its constants. */
static const uint8_t *entries(const uint32_t *x, const uint8_t *stream, int32_t jump, int64_t *sums) {
  int32_t count = ENTRIES - jump / ENTRY_BYTES;
  do {
    for (; count > 0; count--, stream += 2) {
      x += stream[0];
      multiply(sums, x, (int8_t)stream[1]);
    }
    jump = (int16_t)load_bytes(stream, 2);
    stream += 2;
    count = ENTRIES;
  } while (jump < 0);
  return (jump & ALIGNED) != 0 ? stream : stream + 2;
}

void cpcc_sparse8(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  for (;; y++) {
    const int64_t start = (int64_t)((uint64_t)(uint32_t)load_bytes(stream, 4) |
                                    (uint64_t)(uint32_t)load_bytes(stream + 4, 4) << 32);
    int64_t sums[4] = {start, start, start, start};
    const int32_t jump = (int16_t)load_bytes(stream + 8, 2);
    stream += 10;
    if (jump == LEAVE) {
      return;
    }
    if (jump == CONSTANT) {
      for (int32_t i = 0; i < 8; i++) {
        y[i * job->stride] = (int8_t)load_bytes(stream, 1);
      }
      stream += 2;
      continue;
    }
    stream = entries(x, stream, jump, sums);
    int32_t constants[3] = {0, 0, 0};
    for (int32_t i = 0; i < cpcc_channel_words(job->rounding); i++, stream += 4) {
      constants[i] = load_bytes(stream, 4);
    }
    store(job, sums, constants, y);
  }
}
#endif
