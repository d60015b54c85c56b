#include "cpcc_sparse8.h"

#include "cpcc_sparse8_asm.h"

#if CPCC_DSP
/* The last word on the stack is where the next channel's constants lie. */
__asm__(
    CPCC_S8_BEGIN("cpcc_sparse8_apart", " ldr r8, [r3, #12]\n push {r4-r8}\n", "20")
    "2: ldr r10, [sp, #16]\n ldrd r0, r1, [r10]\n ldr r10, [sp]\n mov r2, r0\n mov r3, r1\n" CPCC_S8_ENTER
    CPCC_S8_ENTRIES " ldr r12, [sp, #16]\n ldr r9, [r12, #8]\n add.w r12, r12, #12\n str r12, [sp, #16]\n ldr r10, [sp, #4]\n"
    CPCC_S8_FOUR(CPCC_S8_ONCE) CPCC_S8_FOUR(CPCC_S8_SATURATE) CPCC_S8_OUTPUT
    ".size cpcc_sparse8_apart, . - cpcc_sparse8_apart\n.text\n");
#else
void cpcc_sparse8_apart(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  for (const int32_t *constants = ((const cpcc_sparse8_apart_t *)(const void *)job)->constants;; constants += 3, y++) {
    const int32_t jump = (int16_t)cpcc_sparse8_load_bytes(stream, 2);
    stream += 2;
    if (jump == CPCC_S8_LEAVE) {
      return;
    }
    const int64_t start = (int64_t)((uint64_t)(uint32_t)constants[0] | (uint64_t)(uint32_t)constants[1] << 32);
    int64_t sums[4] = {start, start, start, start};
    (void)cpcc_sparse8_entries(x, &stream, jump, sums);
    cpcc_sparse8_store(job, sums, constants + 2, y);
  }
}
#endif
