#include "cpcc_blocks8.h"

#include "cpcc_blocks8_asm.h"

#if CPCC_DSP
/* The last word on the stack is where the next channel's constants lie. */
__asm__(
    CPCC_B8_BEGIN("cpcc_blocks8_apart", " ldr r8, [r3, #12]\n push {r4-r8}\n", "20")
    "2: ldr r0, [sp, #16]\n ldr r0, [r0]\n" CPCC_B8_ENTER CPCC_B8_BLOCKS
    " ldr r12, [sp, #16]\n ldr r9, [r12, #4]\n add.w r12, r12, #8\n str r12, [sp, #16]\n ldr r10, [sp, #4]\n"
    CPCC_B8_EIGHT(CPCC_B8_ONCE) CPCC_B8_OUTPUT
    ".size cpcc_blocks8_apart, . - cpcc_blocks8_apart\n.text\n");
#else
void cpcc_blocks8_apart(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  for (const int32_t *constants = ((const cpcc_blocks8_apart_t *)(const void *)job)->constants;; constants += 2, y++) {
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
  }
}
#endif
