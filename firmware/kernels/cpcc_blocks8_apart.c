#include "cpcc_blocks8.h"

#include "cpcc_blocks8_asm.h"

#if CPCC_DSP
/* The job's constants, and the code of its rounding: label 4, 5 or 6. */
#define PUSH                                                                                                  \
  " ldr r8, [r3, #12]\n ldr r10, [r3, #8]\n adr.w r9, 6f\n cmp r10, #1\n it eq\n adreq.w r9, 4f\n it hi\n"    \
  " adrhi.w r9, 5f\n orr r9, r9, #1\n push {r4-r9}\n"
#define CONSTANTS \
  " ldr r8, [sp, #16]\n ldrd r9, r10, [r8, #4]\n ldr r12, [r8, #12]\n add.w r8, r8, #16\n str r8, [sp, #16]\n"

/* The last words on the stack are where the next channel's constants lie, and the code of the rounding. */
__asm__(
    CPCC_B8_BEGIN("cpcc_blocks8_apart", PUSH, "24")
    "2: ldr r0, [sp, #16]\n ldr r0, [r0]\n" CPCC_B8_ENTER CPCC_B8_BLOCKS " ldr.w pc, [sp, #20]\n"
    "6: ldr r12, [sp, #16]\n ldr r9, [r12, #4]\n add.w r12, r12, #8\n str r12, [sp, #16]\n ldr r10, [sp, #4]\n"
    CPCC_B8_EIGHT(CPCC_B8_ONCE) CPCC_B8_OUTPUT);
/* Compilers promise strings of 4095 characters: the rest is a statement of its own, right behind. */
__asm__(
    "4:" CONSTANTS CPCC_B8_EIGHT(CPCC_B8_TFLITE) CPCC_B8_OUTPUT
    "5:" CONSTANTS CPCC_B8_EIGHT(CPCC_B8_RELU) CPCC_B8_OUTPUT
    ".size cpcc_blocks8_apart, . - cpcc_blocks8_apart\n.text\n");
#else
void cpcc_blocks8_apart(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  for (const int32_t *constants = ((const cpcc_blocks8_apart_t *)(const void *)job)->constants;; y++) {
    const int32_t bias = constants[0], jump = (int16_t)cpcc_blocks8_bytes(stream, 2);
    if (jump == CPCC_B8_LEAVE) {
      return;
    }
    int32_t sums[8];
    for (int32_t i = 0; i < 8; i++) {
      sums[i] = bias;
    }
    stream = cpcc_blocks8_sums(x, stream + 2, jump, sums);
    cpcc_blocks8_store(job, sums, constants + 1, y);
    constants += 1 + cpcc_channel_words(job->rounding);
  }
}
#endif
