#include "cpcc_rows4.h"

#include "cpcc_rows4_asm.h"

#if CPCC_DSP
/* Assembly, because both compilers spill at 14 live registers, and each differently. The steps are unrolled sixteenfold and
 * every row enters the body where its inputs are a whole number of bodies from the end: no remainder loop.
 *   r8 r9: h and y   r11: end of the inputs */
#define LOAD "ldmia.w lr!, {r4, r5, r6, r7}\n ldrd r8, r9, [r10], #8\n "

__asm__(
    ".syntax unified\n.section .text.cpcc_rows4, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_rows4\n.type cpcc_rows4, %function\n.thumb_func\n"
    "cpcc_rows4:\n"
    " push {r4-r11, lr}\n mov lr, r1\n mov r12, r2\n mov r5, r0\n"
    " ldm r3, {r4, r6, r8, r9}\n add r6, r2, r6\n add r11, r0, r8, lsl #3\n"
    CPCC_EPILOGUE_OF_ROUNDING CPCC_ENTRY("15", "56")
    " mov r10, r0\n push {r4-r7}\n"
    "1: " LOAD CPCC_FOUR_ROWS(CPCC_FIRST, "r8", "r9") "ldr.w pc, [sp, #12]\n"
    "2:\n .rept 16\n " LOAD CPCC_FOUR_ROWS(CPCC_NEXT, "r8", "r9") "\n .endr\n"
    "3: cmp r10, r11\n bne.w 2b\n ldr.w pc, [sp, #16]\n"
    CPCC_EPILOGUES("20")
    ".size cpcc_rows4, . - cpcc_rows4\n.text\n");
#else
void cpcc_rows4(const uint32_t *x, const int32_t *stream, int8_t *out, const cpcc_rows4_t *job) {
  for (const int8_t *end = out + job->rows; out != end; out += 4) {
    int32_t sums[4] = {0, 0, 0, 0};
    for (int32_t i = 0; i < job->blocks; i++) {
      for (int32_t row = 0; row < 4; row++) {
        sums[row] = cpcc_block(x[2 * i], x[2 * i + 1], (uint32_t)*stream++, sums[row]);
      }
    }
    stream = cpcc_four_rounded(stream, job->rounding, job->zero_point, sums, out);
  }
}
#endif
