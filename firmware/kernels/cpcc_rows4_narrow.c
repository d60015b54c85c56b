#include "cpcc_rows4.h"
#include "cpcc_rows4_asm.h"

#if CPCC_DSP
/* As cpcc_rows4.c, with y made from h for each four rows: 29 instructions for 32 products.
 *   r8 r9: h of two blocks   r11: y */
#define BLOCK(f, h) "ldmia.w lr!, {r4, r5, r6, r7}\n uxtb16 r11, " h ", ror #16\n " CPCC_FOUR_ROWS(f, h, "r11")
#define TWO(first) "ldrd r8, r9, [r10], #8\n " BLOCK(first, "r8") BLOCK(CPCC_NEXT, "r9")

__asm__(
    ".syntax unified\n.section .text.cpcc_rows4_narrow, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_rows4_narrow\n.type cpcc_rows4_narrow, %function\n.thumb_func\n"
    "cpcc_rows4_narrow:\n" CPCC_BEGIN("3", "7", "116")
    "1: " TWO(CPCC_FIRST) "ldr.w pc, [sp, #12]\n"
    "2:\n .rept 8\n " TWO(CPCC_NEXT) "\n .endr\n"
    CPCC_NEXT_STEPS CPCC_EPILOGUES
    ".size cpcc_rows4_narrow, . - cpcc_rows4_narrow\n.text\n");
#else
void cpcc_rows4_narrow(const uint32_t *x, const int32_t *stream, int8_t *out, const cpcc_rows4_t *job) {
  for (const int8_t *end = out + job->rows; out != end; out += 4) {
    int32_t sums[4] = {0, 0, 0, 0};
    for (int32_t i = 0; i < job->blocks; i++) {
      for (int32_t row = 0; row < 4; row++) {
        sums[row] = cpcc_block(x[i], cpcc_cross_unsigned(x[i]), (uint32_t)*stream++, sums[row]);
      }
    }
    stream = cpcc_four_rounded(stream, job->rounding, job->zero_point, sums, out);
  }
}
#endif
