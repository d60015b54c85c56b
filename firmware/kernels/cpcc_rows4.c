#include "cpcc_rows4.h"

#include "cpcc_rounding.h"

#if CPCC_DSP
/* Assembly, because both compilers spill at 14 live registers, and each differently. The steps are unrolled sixteenfold and
 * every row enters the body where its inputs are a whole number of bodies from the end: no remainder loop.
 *   r0 r1: A0 A1   r2 r3: 256 * B + A   r4-r7: weights   r8 r9: inputs   r10: next input   r11: end of the inputs
 *   r12: output   lr: stream   stack: zero point, first input, end of the output, entry, epilogue */
#define STEP(a0, a1, w0, w1, x)                                              \
  "smlad r2, " w0 ", " x ", " a0 "\n smlad r3, " w1 ", " x ", " a1 "\n"      \
  " sxtb16 " w0 ", " w0 "\n sxtb16 " w1 ", " w1 "\n"                         \
  " smlad r0, " w0 ", " x ", r0\n smlad r1, " w1 ", " x ", r1\n "
#define LOAD "ldmia.w lr!, {r4, r5, r6, r7}\n ldrd r8, r9, [r10], #8\n "
#define UNMIX(shift)                                                      \
  " subs r2, r2, r0\n subs r3, r3, r1\n add r2, r4, r2, asr #" shift "\n" \
  " add r3, r5, r3, asr #" shift "\n"
#define TWICE " ldrd r4, r5, [lr], #8\n" UNMIX("7") " lsls r0, r0, #1\n lsls r1, r1, #1\n"
#define ROUND(a, m, r, s) \
  " smmlar r10, " a ", " m ", " r "\n add " a ", r10, " a ", asr #31\n asr.w " a ", " a ", " s "\n"
#define ROUND_RELU(a, m, r, s) " smmlar " a ", " a ", " m ", " r "\n asr.w " a ", " a ", " s "\n"
#define PAIR(round, a, b) \
  " ldmia.w lr!, {r4, r5, r6, r7, r8, r9}\n" round(a, "r4", "r5", "r6") round(b, "r7", "r8", "r9")

__asm__(
    ".syntax unified\n.section .text.cpcc_rows4, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_rows4\n.type cpcc_rows4, %function\n.thumb_func\n"
    "cpcc_rows4:\n"
    " push {r4-r11, lr}\n mov lr, r1\n mov r12, r2\n mov r5, r0\n"
    " ldm r3, {r4, r6, r8, r9}\n add r6, r2, r6\n add r11, r0, r8, lsl #3\n"
    " adr.w r7, 6f\n cmp r9, #1\n it eq\n adreq.w r7, 4f\n it hi\n adrhi.w r7, 5f\n orr r7, r7, #1\n push {r7}\n"
    " subs r8, #1\n and r8, r8, #15\n movs r9, #56\n adr.w r7, 3f\n mls r7, r8, r9, r7\n orr r7, r7, #1\n"
    " mov r10, r0\n push {r4-r7}\n"
    "1: ldrd r0, r1, [lr], #8\n " LOAD STEP("r0", "r1", "r4", "r5", "r8") STEP("r2", "r3", "r6", "r7", "r9")
    "ldr.w pc, [sp, #12]\n"
    "2:\n .rept 16\n " LOAD STEP("r2", "r3", "r4", "r5", "r8") STEP("r2", "r3", "r6", "r7", "r9") "\n .endr\n"
    "3: cmp r10, r11\n bne.w 2b\n ldr.w pc, [sp, #16]\n"
    "4:" TWICE PAIR(ROUND, "r0", "r2") PAIR(ROUND, "r1", "r3")
    " b.w 7f\n"
    "5:" TWICE PAIR(ROUND_RELU, "r0", "r2") PAIR(ROUND_RELU, "r1", "r3")
    " b.w 7f\n"
    "6: ldmia.w lr!, {r4, r5, r6, r7, r8, r9}\n" UNMIX("8")
    " ldr r4, [sp]\n"
    " smmlar r0, r0, r6, r4\n smmlar r2, r2, r7, r4\n smmlar r1, r1, r8, r4\n smmlar r3, r3, r9, r4\n"
    "7: ldrd r10, r5, [sp, #4]\n"
    " ssat r0, #8, r0\n ssat r2, #8, r2\n ssat r1, #8, r1\n ssat r3, #8, r3\n"
    " strb r0, [r12], #1\n strb r2, [r12], #1\n strb r1, [r12], #1\n strb r3, [r12], #1\n"
    " cmp r12, r5\n bne.w 1b\n"
    " add sp, #20\n pop {r4-r11, pc}\n"
    ".size cpcc_rows4, . - cpcc_rows4\n.text\n");
#else
void cpcc_rows4(const uint32_t *x, const int32_t *stream, int8_t *out, const cpcc_rows4_t *job) {
  const int32_t rounding = job->rounding;
  for (const int8_t *end = out + job->rows; out != end; out += 4) {
    int32_t a0 = stream[0], a1 = stream[1], m0 = a0, m1 = a1;
    stream += 2;
    for (int32_t i = 0; i < 2 * job->blocks; i++, stream += 2) {
      const uint32_t w0 = (uint32_t)stream[0], w1 = (uint32_t)stream[1];
      m0 = cpcc_smlad(w0, x[i], m0);
      m1 = cpcc_smlad(w1, x[i], m1);
      a0 = cpcc_smlad(cpcc_sxtb16(w0), x[i], a0);
      a1 = cpcc_smlad(cpcc_sxtb16(w1), x[i], a1);
    }
    const int32_t acc[4] = {cpcc_row_a(rounding, a0), cpcc_row_b(rounding, stream[0], m0, a0),
                            cpcc_row_a(rounding, a1), cpcc_row_b(rounding, stream[1], m1, a1)};
    stream += 2;
    for (int32_t i = 0; i < 4; i++, stream += cpcc_channel_words(rounding)) {
      out[i] = cpcc_round(rounding, stream, job->zero_point, acc[i]);
    }
  }
}
#endif
