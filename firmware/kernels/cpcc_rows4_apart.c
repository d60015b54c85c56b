#include "cpcc_rows4.h"

#include "cpcc_rows4_asm.h"

#if CPCC_DSP
#define SWAP " mov r11, lr\n ldr lr, [sp, #64]\n"
#define BACK " str lr, [sp, #64]\n mov lr, r11\n"

/* The unrolled steps are those of cpcc_rows4.c; what comes before and behind them is here. The argument on the stack is at the
 * next constants. */
__asm__(
    ".syntax unified\n.section .text.cpcc_rows4_apart, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_rows4_apart\n.type cpcc_rows4_apart, %function\n.thumb_func\n"
    "cpcc_rows4_apart:\n" CPCC_FRAME("4") CPCC_BY_ROUNDING
    CPCC_ENTER("15", "108", " movw r7, #:lower16:cpcc_rows4_steps\n movt r7, #:upper16:cpcc_rows4_steps\n")
    "1: " CPCC_ROWS4_TWO(CPCC_FIRST) "ldr.w pc, [sp, #12]\n"
    "4:" SWAP CPCC_FOUR_ROUNDED(CPCC_ROUND_TFLITE) BACK CPCC_STORED
    "5:" SWAP CPCC_FOUR_ROUNDED(CPCC_ROUND_RELU) BACK CPCC_STORED
    "6: ldr r12, [sp, #64]\n ldmia.w r12!, {r4, r5, r6, r7}\n add r0, r4, r0, asr #8\n add r1, r5, r1, asr #8\n"
    " add r2, r6, r2, asr #8\n add r3, r7, r3, asr #8\n ldmia.w r12!, {r4, r5, r6, r7}\n str r12, [sp, #64]\n"
    " ldr r8, [sp]\n smmlar r0, r0, r4, r8\n smmlar r1, r1, r5, r8\n smmlar r2, r2, r6, r8\n smmlar r3, r3, r7, r8\n"
    CPCC_STORED
    ".size cpcc_rows4_apart, . - cpcc_rows4_apart\n.text\n");
#else
void cpcc_rows4_apart(const uint32_t *x, const int32_t *stream, int8_t *out, const cpcc_rows4_t *job,
                      const int32_t *constants) {
  for (const int8_t *end = out + job->rows; out != end; out += 4) {
    int32_t sums[4];
    stream = cpcc_four_sums(x, stream, job->blocks, sums);
    constants = cpcc_four_rounded(constants, job->rounding, job->zero_point, sums, out);
  }
}
#endif
