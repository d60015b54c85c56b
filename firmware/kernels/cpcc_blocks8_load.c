#include "cpcc_blocks8.h"
#include "cpcc_dsp.h"

#if CPCC_DSP
/* Seven instructions for four channels of a pixel.
 *   r0: next column's words   r1: fours left   r2: row   r3: columns   r4: pixel   r5 r6 r7: words   r8: pitch
 *   r9: end of the columns   r10: fours   r12: output */
__asm__(
    ".syntax unified\n.section .text.cpcc_blocks8_load, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_blocks8_load\n.type cpcc_blocks8_load, %function\n.thumb_func\n"
    "cpcc_blocks8_load:\n"
    " push {r4-r11, lr}\n ldm.w r2, {r3, r9, r10, r12}\n mov r8, r12\n mov r2, r1\n"
    "1: ldrd r4, r5, [r3], #16\n ands r5, r2\n add r4, r5\n mov r12, r0\n mov r1, r10\n adds r0, #8\n"
    "2: ldr r5, [r4], #4\n sxtb16 r6, r5\n sxtb16 r7, r5, ror #8\n strd r6, r7, [r12]\n add r12, r8\n subs r1, #1\n bne 2b\n"
    " cmp r3, r9\n bne 1b\n pop {r4-r11, pc}\n"
    ".size cpcc_blocks8_load, . - cpcc_blocks8_load\n.text\n");
#else
void cpcc_blocks8_load(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job) {
  for (const cpcc_tiles8_column_t *column = job->columns; column != job->end; column++, d += 2) {
    const int8_t *p = cpcc_tiles8_at(job->base, column->first + (row & column->first_mask));
    uint32_t *e = d;
    for (int32_t i = 0; i < job->fours; i++, p += 4, e += job->pitch / 4) {
      const uint32_t word = cpcc_load4(p);
      (void)cpcc_store2(e, cpcc_sxtb16(word), cpcc_sxtb16_high(word));
    }
  }
}
#endif
