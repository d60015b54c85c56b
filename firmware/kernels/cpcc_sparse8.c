#include "cpcc_sparse8.h"

#include "cpcc_sparse8_asm.h"

#if CPCC_DSP
#define SATURATE_SHIFTED(lo, hi) " ssat " lo ", #8, " lo ", asr #\\s\n ssat " hi ", #8, " hi ", asr #\\s\n"
#define CONSTANT " ldrsh r1, [lr], #2\n" CPCC_S8_STORE("r1", "r1", "r1", "r1", "r1", "r1", "r1", "r1")
#define ALIGN " add.w lr, lr, #2\n"
#define FUNCTION(name, behind)                                                                                    \
  __asm__(CPCC_S8_BEGIN(name, " push {r4-r7}\n", "16")                                                        \
          "2: ldmia.w lr!, {r0, r1, r2, r3}\n ldr r10, [sp]\n" CPCC_S8_ENTER CPCC_S8_ENTRIES behind)
/* Compilers promise strings of 4095 characters: the rest of a function is a statement of its own, right behind. */
#define FUNCTION_END(name, rest) __asm__(rest ".size " name ", . - " name "\n.text\n")
#define AT(label, distance) " .org " label " + " distance "\n"

FUNCTION("cpcc_sparse8_once", ".Lcpcc_sparse8_once:\n" ALIGN " ldr r9, [lr], #4\n ldr r10, [sp, #4]\n"
         CPCC_S8_FOUR(CPCC_S8_ONCE) CPCC_S8_FOUR(CPCC_S8_SATURATE) CPCC_S8_OUTPUT);
FUNCTION_END("cpcc_sparse8_once", AT(".Lcpcc_sparse8_once", "512") CONSTANT);

/* Most shifts have code of their own, where SSAT shifts too. */
FUNCTION("cpcc_sparse8_tflite",
         ".Lcpcc_sparse8_tflite:\n" ALIGN " ldmia.w lr!, {r9, r10, r12}\n"
         CPCC_S8_FOUR(CPCC_S8_TFLITE) CPCC_S8_FOUR(CPCC_S8_SHIFT) CPCC_S8_FOUR(CPCC_S8_SATURATE) CPCC_S8_OUTPUT
         AT(".Lcpcc_sparse8_tflite", "256") ALIGN " ldmia.w lr!, {r9, r10, r12}\n"
         CPCC_S8_FOUR(CPCC_S8_RELU) CPCC_S8_FOUR(CPCC_S8_SHIFT) CPCC_S8_FOUR(CPCC_S8_SATURATE)
         "4:\n" CPCC_S8_OUTPUT);
FUNCTION_END("cpcc_sparse8_tflite", AT(".Lcpcc_sparse8_tflite", "512") CONSTANT
         ".irp s, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14\n" AT(".Lcpcc_sparse8_tflite", "768 + 160 * (\\s - 1)")
         ALIGN " ldrd r9, r10, [lr], #8\n" CPCC_S8_FOUR(CPCC_S8_TFLITE) CPCC_S8_FOUR(SATURATE_SHIFTED) " b.w 4b\n.endr\n"
         ".irp s, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14\n" AT(".Lcpcc_sparse8_tflite", "3008 + 128 * (\\s - 1)")
         ALIGN " ldrd r9, r10, [lr], #8\n" CPCC_S8_FOUR(CPCC_S8_RELU) CPCC_S8_FOUR(SATURATE_SHIFTED) " b.w 4b\n.endr\n");
#else
enum { CONSTANT = CPCC_S8_BEHIND + 512, ALIGNED = 4 };
enum { OWN_TFLITE = 768, TFLITE_BYTES = 160, OWN_RELU = 3008, RELU_BYTES = 128 };

/* The shift of a rounding that has code of its own, else 0. */
static int32_t own_shift(int32_t rounding, int32_t jump) {
  if (rounding == CPCC_ONCE || jump < OWN_TFLITE) {
    return 0;
  }
  return 1 + (jump >= OWN_RELU ? (jump - OWN_RELU) / RELU_BYTES : (jump - OWN_TFLITE) / TFLITE_BYTES);
}

static void run(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  for (;; y++) {
    const int64_t start = (int64_t)((uint64_t)(uint32_t)cpcc_sparse8_load_bytes(stream, 4) |
                                    (uint64_t)(uint32_t)cpcc_sparse8_load_bytes(stream + 4, 4) << 32);
    int64_t sums[4] = {start, start, start, start};
    int32_t jump = (int16_t)cpcc_sparse8_load_bytes(stream + 16, 2);
    stream += 18;
    if (jump == CPCC_S8_LEAVE) {
      return;
    }
    if (jump == CONSTANT) {
      for (int32_t i = 0; i < 8; i++) {
        y[i * job->stride] = (int8_t)cpcc_sparse8_load_bytes(stream, 1);
      }
      stream += 2;
      continue;
    }
    jump = cpcc_sparse8_entries(x, &stream, jump, sums);
    stream += (jump & ALIGNED) != 0 ? 0 : 2;
    int32_t constants[3] = {0, 0, own_shift(job->rounding, jump)};
    const int32_t words = constants[2] > 0 ? 2 : cpcc_channel_words(job->rounding);
    for (int32_t i = 0; i < words; i++, stream += 4) {
      constants[i] = cpcc_sparse8_load_bytes(stream, 4);
    }
    cpcc_sparse8_store(job, sums, constants, y);
  }
}

void cpcc_sparse8_once(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  run(x, stream, y, job);
}

void cpcc_sparse8_tflite(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  run(x, stream, y, job);
}
#endif
