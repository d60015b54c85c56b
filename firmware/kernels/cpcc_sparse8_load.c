#include "cpcc_sparse8.h"

#if CPCC_DSP
void cpcc_sparse8_load_fours(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job);

/* Twenty instructions for four words: four channels of two pixels.
 *   r0: next column's words   r1: fours left   r2: row   r3: columns   r4 r6: pixels   r5 r7 lr: their bytes
 *   r8 r9: pitch, three times it   r10: mask   r11: word   r12: output   stack: end of the columns, fours */
#define WORD(shift, second, place) " and.w r11, r10, r5, " shift "\n " second "\n str.w r11, " place "\n"
__asm__(
    ".syntax unified\n.section .text.cpcc_sparse8_load_fours, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_sparse8_load_fours\n.type cpcc_sparse8_load_fours, %function\n.thumb_func\n"
    "cpcc_sparse8_load_fours:\n"
    " push {r4-r11, lr}\n ldm.w r2, {r3, r4, r5, r8}\n push {r4, r5}\n mov r2, r1\n add r9, r8, r8, lsl #1\n"
    " movw r10, #0x1FE\n"
    "1: ldmia.w r3!, {r4, r5, r6, r7}\n ands r5, r2\n add r4, r5\n ands r7, r2\n add r6, r7\n mov r12, r0\n"
    " ldr r1, [sp, #4]\n adds r0, #4\n"
    "2: ldr r5, [r4], #4\n ldr r7, [r6], #4\n eor r5, r5, #0x80808080\n uxtb16 lr, r7\n uxtb16 r7, r7, ror #8\n"
    WORD("lsl #1", "orr.w r11, r11, lr, lsl #24", "[r12]")
    WORD("lsr #7", "orr.w r11, r11, r7, lsl #24", "[r12, r8]")
    WORD("lsr #15", "pkhbt r11, r11, lr, lsl #8", "[r12, r8, lsl #1]")
    WORD("lsr #23", "pkhbt r11, r11, r7, lsl #8", "[r12, r9]")
    " add.w r12, r12, r8, lsl #2\n subs r1, #1\n bne 2b\n"
    " ldr r1, [sp]\n cmp r3, r1\n bne 1b\n add sp, #8\n pop {r4-r11, pc}\n"
    ".size cpcc_sparse8_load_fours, . - cpcc_sparse8_load_fours\n"
    ".text\n");
#endif

/* `count` channels from channel `from` on; a loop for each count that is known. */
CPCC_INLINE void channels(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job, int32_t from, int32_t count) {
  const int32_t words = job->pitch / 4;
  d += from * words;
  for (const cpcc_tiles8_column_t *column = job->columns; column != job->end; column++, d++) {
    const int8_t *a = cpcc_tiles8_at(job->base, column->first + (row & column->first_mask) + from);
    const int8_t *b = cpcc_tiles8_at(job->base, column->second + (row & column->second_mask) + from);
    for (int32_t i = 0; i < count; i++) {
      d[i * words] = 2u * (uint32_t)(a[i] + 128) + ((uint32_t)(int32_t)b[i] << 24);
    }
  }
}

void cpcc_sparse8_load(uint32_t *d, int32_t row, const cpcc_tiles8_load_t *job) {
  if (job->fours > 0) {
#if CPCC_DSP
    cpcc_sparse8_load_fours(d, row, job);
#else
    channels(d, row, job, 0, 4 * job->fours);
#endif
  }
  switch (job->rest) {
    case 1: channels(d, row, job, 4 * job->fours, 1); break;
    case 2: channels(d, row, job, 4 * job->fours, 2); break;
    case 3: channels(d, row, job, 4 * job->fours, 3); break;
    default: break;
  }
}
