#include "cpcc_rows4.h"

#include "cpcc_rows4_asm.h"

#if CPCC_DSP
/* Assembly, because both compilers spill at 14 live registers, and each differently. 27 instructions for 32 products; the steps
 * are unrolled sixteenfold and every row enters the body where its inputs are a whole number of bodies from the end: no
 * remainder loop.
 *   r8 r9: h and y of one block   r11 r12: of the next */
__asm__(
    ".syntax unified\n.section .text.cpcc_rows4, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_rows4\n.type cpcc_rows4, %function\n.thumb_func\n"
    "cpcc_rows4:\n" CPCC_BEGIN("4", "15", "108")
    "1: " CPCC_ROWS4_TWO(CPCC_FIRST) "ldr.w pc, [sp, #12]\n"
    "2:\n .rept 16\n " CPCC_ROWS4_TWO(CPCC_NEXT) "\n .endr\n"
    ".global cpcc_rows4_steps\ncpcc_rows4_steps:\n" CPCC_NEXT_STEPS CPCC_EPILOGUES
    ".size cpcc_rows4, . - cpcc_rows4\n.text\n");
#else
void cpcc_rows4(const uint32_t *x, const int32_t *stream, int8_t *out, const cpcc_rows4_t *job) {
  for (const int8_t *end = out + job->rows; out != end; out += 4) {
    int32_t sums[4];
    stream = cpcc_four_sums(x, stream, job->blocks, sums);
    stream = cpcc_four_rounded(stream, job->rounding, job->zero_point, sums, out);
  }
}
#endif
