#include "cpcc_sparse8.h"

#include "cpcc_sparse8_asm.h"

#if CPCC_DSP
/* The job's constants, and the code of its rounding: label 4, 5 or 6. */
#define PUSH                                                                                                  \
  " ldr r8, [r3, #12]\n ldr r10, [r3, #8]\n adr.w r9, 6f\n cmp r10, #1\n it eq\n adreq.w r9, 4f\n it hi\n"    \
  " adrhi.w r9, 5f\n orr r9, r9, #1\n push {r4-r9}\n"
#define CONSTANTS \
  " ldr r8, [sp, #16]\n ldrd r9, r10, [r8, #8]\n ldr r12, [r8, #16]\n add.w r8, r8, #20\n str r8, [sp, #16]\n"

/* The last words on the stack are where the next channel's constants lie, and the code of the rounding. */
__asm__(
    CPCC_S8_BEGIN("cpcc_sparse8_apart", PUSH, "24")
    "2: ldr r10, [sp, #16]\n ldrd r0, r1, [r10]\n ldr r10, [sp]\n mov r2, r0\n mov r3, r1\n" CPCC_S8_ENTER
    CPCC_S8_ENTRIES " ldr.w pc, [sp, #20]\n"
    "6: ldr r12, [sp, #16]\n ldr r9, [r12, #8]\n add.w r12, r12, #12\n str r12, [sp, #16]\n ldr r10, [sp, #4]\n"
    CPCC_S8_FOUR(CPCC_S8_ONCE) CPCC_S8_FOUR(CPCC_S8_SATURATE) CPCC_S8_OUTPUT);
/* Compilers promise strings of 4095 characters: the rest is a statement of its own, right behind. */
__asm__(
    "4:" CONSTANTS CPCC_S8_FOUR(CPCC_S8_TFLITE) CPCC_S8_FOUR(CPCC_S8_SHIFT) CPCC_S8_FOUR(CPCC_S8_SATURATE) CPCC_S8_OUTPUT
    "5:" CONSTANTS CPCC_S8_FOUR(CPCC_S8_RELU) CPCC_S8_FOUR(CPCC_S8_SHIFT) CPCC_S8_FOUR(CPCC_S8_SATURATE) CPCC_S8_OUTPUT
    ".size cpcc_sparse8_apart, . - cpcc_sparse8_apart\n.text\n");
#else
void cpcc_sparse8_apart(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  for (const int32_t *constants = ((const cpcc_sparse8_apart_t *)(const void *)job)->constants;; y++) {
    const int32_t jump = (int16_t)cpcc_sparse8_load_bytes(stream, 2);
    stream += 2;
    if (jump == CPCC_S8_LEAVE) {
      return;
    }
    const int64_t start = (int64_t)((uint64_t)(uint32_t)constants[0] | (uint64_t)(uint32_t)constants[1] << 32);
    int64_t sums[4] = {start, start, start, start};
    (void)cpcc_sparse8_entries(x, &stream, jump, sums);
    cpcc_sparse8_store(job, sums, constants + 2, y);
    constants += 2 + cpcc_channel_words(job->rounding);
  }
}
#endif
