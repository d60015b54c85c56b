#include "cpcc_linear_sparse2.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"

#if CPCC_DSP
void cpcc_linear_sparse2_rows(const int8_t *x, const int32_t *stream, int8_t *y, const cpcc_linear_sparse2_t *layer);

/* 29 instructions for eight entries. A first jump of -2 leaves; a last jump of 0 goes on to the epilogue.
 *   r0: sum   r1: input   r3-r6: entries   r7 r8 r12: temporary   r9: output   r10: zero point   r11: x   lr: stream
 *   r2: constants   stack: epilogue */
#define TWO(t)                                                                                        \
  " uxtab r7, r1, " t "\n uxtab r1, r7, " t ", ror #16\n ldrsb.w r7, [r7]\n ldrsb.w r8, [r1]\n"       \
  " sxtb16 " t ", " t ", ror #8\n smlabb r0, r7, " t ", r0\n smlabt r0, r8, " t ", r0\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_linear_sparse2_rows, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_linear_sparse2_rows\n.type cpcc_linear_sparse2_rows, %function\n.thumb_func\n"
    "cpcc_linear_sparse2_rows:\n"
    " push {r4-r11, lr}\n mov r11, r0\n mov lr, r1\n mov r9, r2\n ldr r2, [r3, #4]\n ldrd r4, r10, [r3, #12]\n"
    " adr.w r7, 4f\n cmp r4, #1\n it eq\n adreq.w r7, 5f\n it hi\n adrhi.w r7, 6f\n orr r7, r7, #1\n push {r7}\n b.n 2f\n"
    "1: add sp, #4\n pop {r4-r11, pc}\n"
    "2: ldr r12, [lr], #4\n ldr r0, [r2], #4\n mov r1, r11\n sxth r7, r12\n add pc, r7\n b.n 1b\n"
    " .rept 3\n ldr r3, [lr], #4\n" TWO("r3") ".endr\n"
    " asr.w r7, r12, #16\n add pc, r7\n nop\n"
    " .rept 8\n ldmia.w lr!, {r3, r4, r5, r6}\n" TWO("r3") TWO("r4") TWO("r5") TWO("r6") ".endr\n"
    " ldr r7, [lr], #4\n add pc, r7\n nop\n"
    " ldr.w pc, [sp]\n"
    " .p2align 1\n5: ldmia r2!, {r3, r4, r5}\n lsls r0, r0, #1\n smmlar r3, r0, r3, r4\n add r0, r3, r0, asr #31\n"
    " asrs r0, r5\n b.n 7f\n"
    " .p2align 1\n6: ldmia r2!, {r3, r4, r5}\n lsls r0, r0, #1\n smmlar r0, r0, r3, r4\n asrs r0, r5\n b.n 7f\n"
    " .p2align 1\n4: ldr r3, [r2], #4\n smmlar r0, r0, r3, r10\n"
    "7: ssat r0, #8, r0\n strb r0, [r9], #1\n b.w 2b\n"
    ".size cpcc_linear_sparse2_rows, . - cpcc_linear_sparse2_rows\n.text\n");
#else
enum { LEAVE = -2, WORD_BYTES = 32, WORDS = 3, BLOCK_BYTES = 116, BLOCKS = 8 };

static const int32_t *entries(const int32_t *stream, int32_t words, const int8_t **x, int32_t *sum) {
  for (; words > 0; words--) {
    const uint32_t word = (uint32_t)*stream++;
    *x += word & 0xFFu;
    *sum += **x * (int8_t)(word >> 8 & 0xFFu);
    *x += word >> 16 & 0xFFu;
    *sum += **x * (int8_t)(word >> 24);
  }
  return stream;
}

static void cpcc_linear_sparse2_rows(const int8_t *x, const int32_t *stream, int8_t *y,
                                     const cpcc_linear_sparse2_t *layer) {
  const int32_t rounding = layer->rounding;
  for (const int32_t *constants = layer->constants;; constants += 1 + cpcc_channel_words(rounding), y++) {
    const int8_t *p = x;
    int32_t sum = constants[0];
    const int32_t first = (int16_t)((uint32_t)stream[0] & 0xFFFFu);
    int32_t jump = (int16_t)((uint32_t)stream[0] >> 16), blocks = BLOCKS - jump / BLOCK_BYTES;
    if (first == LEAVE) {
      return;
    }
    stream = entries(stream + 1, WORDS - first / WORD_BYTES, &p, &sum);
    do {
      stream = entries(stream, 4 * blocks, &p, &sum);
      jump = *stream++;
      blocks = BLOCKS;
    } while (jump != 0);
    *y = cpcc_round(rounding, constants + 1, layer->zero_point, cpcc_row_a(rounding, sum));
  }
}
#endif

void cpcc_linear_sparse2(const cpcc_linear_sparse2_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  cpcc_linear_sparse2_rows(x, layer->stream, y, layer);
  cpcc_saturate(y, layer->out_features, layer->low, layer->high);
}
