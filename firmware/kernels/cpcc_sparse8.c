#include "cpcc_sparse8.h"

#include "cpcc_rounding.h"

#if CPCC_DSP
/* Nine instructions for eight products. A first jump of 0 enters the first unrolled entry, -2 leaves; the roundings lie
 * behind the entries.
 *   r0:r1 ... r6:r7: sums of two pixels each   r8 r9: inputs   r10: input   r11: output   r12: weight   lr: stream
 *   stack: first input, zero point, output stride, three times it */
#define SINGLE(lo, hi) \
  " lsrs.w r8, " lo ", #24\n adc.w r8, r8, " hi ", lsl #8\n sbfx " hi ", " lo ", #1, #23\n"
#define TWICE(lo, hi) \
  " lsrs.w r8, " lo ", #23\n adc.w r8, r8, " hi ", lsl #9\n sbfx " hi ", " lo ", #0, #24\n"
#define ONCE(lo, hi) SINGLE(lo, hi) " smmlar " lo ", r8, r9, r10\n smmlar " hi ", " hi ", r9, r10\n"
#define TFLITE(lo, hi)                                                                    \
  TWICE(lo, hi) " smmlar " lo ", r8, r9, r10\n add.w " lo ", " lo ", r8, asr #31\n"       \
  " smmlar r8, " hi ", r9, r10\n add.w " hi ", r8, " hi ", asr #31\n"
#define RELU(lo, hi) TWICE(lo, hi) " smmlar " lo ", r8, r9, r10\n smmlar " hi ", " hi ", r9, r10\n"
#define SHIFT(lo, hi) " asr.w " lo ", " lo ", r12\n asr.w " hi ", " hi ", r12\n"
#define FOUR(f) f("r0", "r1") f("r2", "r3") f("r4", "r5") f("r6", "r7")
#define SATURATE(lo, hi) " ssat " lo ", #8, " lo "\n ssat " hi ", #8, " hi "\n"
#define SATURATE_SHIFTED(lo, hi) " ssat " lo ", #8, " lo ", asr #\\s\n ssat " hi ", #8, " hi ", asr #\\s\n"
#define STORE(p0, p1, p2, p3, p4, p5, p6, p7)                                                              \
  " ldrd r8, r9, [sp, #8]\n strb.w " p0 ", [r11]\n strb.w " p1 ", [r11, r8]\n strb.w " p2 ", [r11, r8, lsl #1]\n" \
  " strb.w " p3 ", [r11, r9]\n strb.w " p4 ", [r11, r8, lsl #2]\n strb.w " p6 ", [r11, r9, lsl #1]\n"       \
  " add.w r10, r11, r8\n strb.w " p5 ", [r10, r8, lsl #2]\n strb.w " p7 ", [r10, r9, lsl #1]\n"             \
  " add.w r11, r11, #1\n b.w 2b\n"
#define OUTPUT STORE("r1", "r3", "r5", "r7", "r0", "r2", "r4", "r6")
#define CONSTANT " ldrsh r1, [lr], #2\n" STORE("r1", "r1", "r1", "r1", "r1", "r1", "r1", "r1")
#define ALIGN " add.w lr, lr, #2\n"
#define FUNCTION(name, behind)                                                                                    \
  __asm__(                                                                                                        \
      ".syntax unified\n.section .text." name ", \"ax\", %progbits\n.thumb\n.p2align 2\n"                         \
      ".global " name "\n.type " name ", %function\n.thumb_func\n" name ":\n"                                     \
      " push {r4-r11, lr}\n mov lr, r1\n mov r11, r2\n mov r4, r0\n ldrd r5, r6, [r3]\n add r7, r6, r6, lsl #1\n" \
      " push {r4-r7}\n b.n 2f\n"                                                                                  \
      "1: add sp, #16\n pop {r4-r11, pc}\n"                                                                       \
      "2: ldmia.w lr!, {r0, r1, r2, r3}\n ldr r10, [sp]\n mov r4, r0\n mov r5, r1\n mov r6, r0\n mov r7, r1\n"        \
      " ldrsh r8, [lr], #2\n add pc, r8\n b.n 1b\n"                                                               \
      "3:\n .rept 32\n ldrsb r12, [lr, #1]\n ldrb r8, [lr], #2\n add r10, r10, r8, lsl #2\n ldrd r8, r9, [r10]\n" \
      " smlal r0, r1, r8, r12\n smlal r2, r3, r9, r12\n ldrd r8, r9, [r10, #8]\n smlal r4, r5, r8, r12\n"         \
      " smlal r6, r7, r9, r12\n .endr\n"                                                                          \
      " ldrsh r8, [lr], #2\n add pc, r8\n nop\n" behind)
/* Compilers promise strings of 4095 characters: the rest of a function is a statement of its own, right behind. */
#define FUNCTION_END(name, rest) __asm__(rest ".size " name ", . - " name "\n.text\n")
#define AT(label, distance) " .org " label " + " distance "\n"

FUNCTION("cpcc_sparse8_once", ".Lcpcc_sparse8_once:\n" ALIGN " ldr r9, [lr], #4\n ldr r10, [sp, #4]\n" FOUR(ONCE)
         FOUR(SATURATE) OUTPUT);
FUNCTION_END("cpcc_sparse8_once", AT(".Lcpcc_sparse8_once", "512") CONSTANT);

/* Most shifts have code of their own, where SSAT shifts too. */
FUNCTION("cpcc_sparse8_tflite",
         ".Lcpcc_sparse8_tflite:\n" ALIGN " ldmia.w lr!, {r9, r10, r12}\n" FOUR(TFLITE) FOUR(SHIFT) FOUR(SATURATE) OUTPUT
         AT(".Lcpcc_sparse8_tflite", "256") ALIGN " ldmia.w lr!, {r9, r10, r12}\n" FOUR(RELU) FOUR(SHIFT) FOUR(SATURATE)
         "4:\n" OUTPUT);
FUNCTION_END("cpcc_sparse8_tflite", AT(".Lcpcc_sparse8_tflite", "512") CONSTANT
         ".irp s, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14\n" AT(".Lcpcc_sparse8_tflite", "768 + 160 * (\\s - 1)")
         ALIGN " ldrd r9, r10, [lr], #8\n" FOUR(TFLITE) FOUR(SATURATE_SHIFTED) " b.w 4b\n.endr\n"
         ".irp s, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14\n" AT(".Lcpcc_sparse8_tflite", "3008 + 128 * (\\s - 1)")
         ALIGN " ldrd r9, r10, [lr], #8\n" FOUR(RELU) FOUR(SATURATE_SHIFTED) " b.w 4b\n.endr\n");
#else
enum { ENTRY_BYTES = 36, ENTRIES = 32, LEAVE = -2, CONSTANT = ENTRY_BYTES * ENTRIES + 8 + 512, ALIGNED = 4 };
enum { OWN_TFLITE = 768, TFLITE_BYTES = 160, OWN_RELU = 3008, RELU_BYTES = 128 };

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

/* The entries of one channel; gives the jump that leaves them. */
static int32_t entries(const uint32_t *x, const uint8_t **stream, int32_t jump, int64_t *sums) {
  int32_t count = ENTRIES - jump / ENTRY_BYTES;
  do {
    for (; count > 0; count--, *stream += 2) {
      x += (*stream)[0];
      multiply(sums, x, (int8_t)(*stream)[1]);
    }
    jump = (int16_t)load_bytes(*stream, 2);
    *stream += 2;
    count = ENTRIES;
  } while (jump < 0);
  return jump;
}

/* The shift of a rounding that has code of its own, else 0. */
static int32_t own_shift(int32_t rounding, int32_t jump) {
  if (rounding == CPCC_ONCE || jump < OWN_TFLITE) {
    return 0;
  }
  return 1 + (jump >= OWN_RELU ? (jump - OWN_RELU) / RELU_BYTES : (jump - OWN_TFLITE) / TFLITE_BYTES);
}

static void run(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  for (;; y++) {
    const int64_t start = (int64_t)((uint64_t)(uint32_t)load_bytes(stream, 4) |
                                    (uint64_t)(uint32_t)load_bytes(stream + 4, 4) << 32);
    int64_t sums[4] = {start, start, start, start};
    int32_t jump = (int16_t)load_bytes(stream + 16, 2);
    stream += 18;
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
    jump = entries(x, &stream, jump, sums);
    stream += (jump & ALIGNED) != 0 ? 0 : 2;
    int32_t constants[3] = {0, 0, own_shift(job->rounding, jump)};
    const int32_t words = constants[2] > 0 ? 2 : cpcc_channel_words(job->rounding);
    for (int32_t i = 0; i < words; i++, stream += 4) {
      constants[i] = load_bytes(stream, 4);
    }
    store(job, sums, constants, y);
  }
}

void cpcc_sparse8_once(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  run(x, stream, y, job);
}

void cpcc_sparse8_tflite(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  run(x, stream, y, job);
}
#endif
