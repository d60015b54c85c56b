#include "cpcc_sparse8.h"

#include "cpcc_rounding.h"

#if CPCC_DSP
/* Nine instructions for eight products. A jump of 0 after the header enters the first unrolled entry, -2 leaves; after
 * the entries 0 goes on to the epilogue.
 *   r0:r1 ... r6:r7: sums of two pixels each   r8 r9: inputs   r10: input   r11: output   r12: weight   lr: stream
 *   stack: first input, zero point, output stride, epilogue */
#define UNPACK(lo, hi)                                                               \
  " lsrs.w r8, " lo ", #24\n adc r8, r8, " hi ", lsl #8\n sbfx " hi ", " lo ", #0, #24\n"
#define ONCE(lo, hi) UNPACK(lo, hi) " smmlar " lo ", r8, r9, r10\n smmlar " hi ", " hi ", r9, r10\n"
#define TWICE(lo, hi) UNPACK(lo, hi) " lsl.w " hi ", " hi ", #1\n lsl.w r8, r8, #1\n"
#define TFLITE(lo, hi)                                                                                   \
  TWICE(lo, hi) " smmlar " lo ", r8, r9, r10\n add " lo ", " lo ", r8, asr #31\n asr.w " lo ", " lo ", r12\n" \
  " smmlar r8, " hi ", r9, r10\n add " hi ", r8, " hi ", asr #31\n asr.w " hi ", " hi ", r12\n"
#define TFLITE_RELU(lo, hi)                                                      \
  TWICE(lo, hi) " smmlar " lo ", r8, r9, r10\n asr.w " lo ", " lo ", r12\n"      \
  " smmlar " hi ", " hi ", r9, r10\n asr.w " hi ", " hi ", r12\n"
#define FOUR(f) f("r0", "r1") f("r2", "r3") f("r4", "r5") f("r6", "r7")
#define SATURATE(lo, hi) " ssat " lo ", #8, " lo "\n ssat " hi ", #8, " hi "\n"
#define CONSTANTS " ldr r9, [lr], #4\n ldr r10, [lr], #4\n ldr r12, [lr], #4\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_sparse8, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_sparse8\n.type cpcc_sparse8, %function\n.thumb_func\n"
    "cpcc_sparse8:\n"
    " push {r4-r11, lr}\n mov lr, r1\n mov r11, r2\n ldm r3, {r5, r6, r7}\n mov r4, r0\n mov r8, r7\n"
    " adr.w r7, 5f\n cmp r8, #1\n it eq\n adreq.w r7, 6f\n it hi\n adrhi.w r7, 7f\n orr r7, r7, #1\n push {r4-r7}\n"
    " b.n 2f\n"
    "1: add sp, #16\n pop {r4-r11, pc}\n"
    "2: ldr r0, [lr], #4\n ldr r1, [lr], #4\n ldr r10, [sp]\n"
    " mov r2, r0\n mov r3, r1\n mov r4, r0\n mov r5, r1\n mov r6, r0\n mov r7, r1\n"
    " ldrsh r8, [lr], #2\n add pc, r8\n b.n 1b\n"
    "3:\n .rept 32\n ldrsb r12, [lr, #1]\n ldrb r8, [lr], #2\n add r10, r10, r8, lsl #2\n ldrd r8, r9, [r10]\n"
    " smlal r0, r1, r8, r12\n smlal r2, r3, r9, r12\n ldrd r8, r9, [r10, #8]\n smlal r4, r5, r8, r12\n"
    " smlal r6, r7, r9, r12\n .endr\n"
    " ldrsh r8, [lr], #2\n add pc, r8\n nop\n"
    " ldr.w pc, [sp, #12]\n"
    "6:" CONSTANTS FOUR(TFLITE) " b.n 8f\n"
    " .p2align 1\n7:" CONSTANTS FOUR(TFLITE_RELU) " b.n 8f\n"
    " .p2align 1\n5: ldr r9, [lr], #4\n ldr r10, [sp, #4]\n" FOUR(ONCE)
    "8:" FOUR(SATURATE) " ldr r8, [sp, #8]\n"
    " strb r1, [r11]\n strb r0, [r11, r8, lsl #2]\n add r10, r11, r8\n"
    " strb r3, [r10]\n strb r2, [r10, r8, lsl #2]\n add r10, r8\n"
    " strb r5, [r10]\n strb r4, [r10, r8, lsl #2]\n add r10, r8\n"
    " strb r7, [r10]\n strb r6, [r10, r8, lsl #2]\n add r11, #1\n b.w 2b\n"
    ".size cpcc_sparse8, . - cpcc_sparse8\n.text\n");
#else
#define ENTRY_BYTES 36
#define LEAVE (-2)
#define ENTRIES 32

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

static void store(const cpcc_sparse8_t *job, const int64_t *sums, const int32_t *constants, int8_t *y) {
  for (int32_t i = 0; i < 4; i++) {
    const uint32_t low = (uint32_t)((uint64_t)sums[i] & 0xFFFFFFu);
    const int32_t s0 = (int32_t)(low ^ 0x800000u) - 0x800000;
    const int32_t s1 = (int32_t)((sums[i] - s0) / (1 << 24));
    y[i * job->stride] = cpcc_round(job->rounding, constants, job->zero_point, cpcc_row_a(job->rounding, s0));
    y[(i + 4) * job->stride] = cpcc_round(job->rounding, constants, job->zero_point, cpcc_row_a(job->rounding, s1));
  }
}

void cpcc_sparse8(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_sparse8_t *job) {
  for (;; y++) {
    const int64_t start = (int64_t)((uint64_t)(uint32_t)load_bytes(stream, 4) |
                                    (uint64_t)(uint32_t)load_bytes(stream + 4, 4) << 32);
    int64_t sums[4] = {start, start, start, start};
    int32_t jump = (int16_t)load_bytes(stream + 8, 2), entries = ENTRIES - jump / ENTRY_BYTES;
    const uint32_t *p = x;
    stream += 10;
    if (jump == LEAVE) {
      return;
    }
    do {
      for (; entries > 0; entries--, stream += 2) {
        p += stream[0];
        multiply(sums, p, (int8_t)stream[1]);
      }
      jump = (int16_t)load_bytes(stream, 2);
      stream += 2;
      entries = ENTRIES;
    } while (jump != 0);
    const int32_t words = cpcc_channel_words(job->rounding);
    int32_t constants[3] = {0, 0, 0};
    for (int32_t i = 0; i < words; i++, stream += 4) {
      constants[i] = load_bytes(stream, 4);
    }
    store(job, sums, constants, y);
  }
}
#endif
