#include "cpcc_widen2.h"

#if CPCC_DSP
extern const uint8_t cpcc_widen2_end[];

/* Eight instructions for a word of both patches. */
__asm__(
    ".syntax unified\n.section .text.cpcc_widen2_words, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_widen2_words\n.type cpcc_widen2_words, %function\n.thumb_func\n"
    "cpcc_widen2_words:\n"
    " push {r4-r11, lr}\n ldm.w r3, {r8, r9, r10, lr}\n"
    "1: mov r12, r8\n bx lr\n"
    "2:\n .rept 8\n ldr r4, [r1], #4\n ldr r5, [r2], #4\n"
    " sxtb16 r6, r4\n sxtb16 r7, r5\n sxtb16 r4, r4, ror #8\n sxtb16 r5, r5, ror #8\n"
    " strd r6, r7, [r0], #8\n strd r4, r5, [r0], #8\n .endr\n"
    ".global cpcc_widen2_end\ncpcc_widen2_end:\n"
    " subs.w r12, r12, #1\n bpl.w 2b\n"
    " add r1, r10\n add r2, r10\n subs.w r9, r9, #1\n bne.w 1b\n"
    " pop {r4-r11, pc}\n"
    ".size cpcc_widen2_words, . - cpcc_widen2_words\n.text\n");

/* Sixty-five instructions: words as above, and the ninth byte of each run.   r8 r9: those of the first run, then of two */
#define WORD(u, v) \
  " sxtb16 r10, " u "\n sxtb16 r11, " v "\n sxtb16 " u ", " u ", ror #8\n sxtb16 " v ", " v ", ror #8\n"  \
  " strd r10, r11, [r0], #8\n strd " u ", " v ", [r0], #8\n"
#define RUN(p, q) \
  " ldr r4, [r1]\n ldr r5, [r2]\n ldr r6, [r1, #4]\n ldr r7, [r2, #4]\n ldrsb.w " p ", [r1, #8]\n ldrsb.w " q ", [r2, #8]\n" \
  WORD("r4", "r5") WORD("r6", "r7")
#define NEXT " add r1, r3\n add r2, r3\n"
__asm__(
    ".syntax unified\n.section .text.cpcc_widen2_nine, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_widen2_nine\n.type cpcc_widen2_nine, %function\n.thumb_func\n"
    "cpcc_widen2_nine:\n"
    " push {r4-r11, lr}\n" RUN("r8", "r9") NEXT RUN("r12", "lr") NEXT
    " pkhbt r8, r8, r12, lsl #16\n pkhbt r9, r9, lr, lsl #16\n" RUN("r12", "lr")
    " strd r8, r9, [r0]\n strd r12, lr, [r0, #8]\n pop {r4-r11, pc}\n"
    ".size cpcc_widen2_nine, . - cpcc_widen2_nine\n.text\n");

static uint32_t entry(int32_t words) {
  return ((uint32_t)cpcc_widen2_end - 32u * (uint32_t)((words - 1) % CPCC_WIDEN_BODY + 1)) | 1u;
}
#else
uint32_t *cpcc_widen2_words(uint32_t *d, const int8_t *a, const int8_t *b, const cpcc_widen2_t *job) {
  for (int32_t row = 0; row < job->rows; row++) {
    for (int32_t i = 0; i < job->words; i++) {
      const uint32_t u = cpcc_load4(a), v = cpcc_load4(b);
      d = cpcc_store2(d, cpcc_sxtb16(u), cpcc_sxtb16(v));
      d = cpcc_store2(d, cpcc_sxtb16_high(u), cpcc_sxtb16_high(v));
      a += 4;
      b += 4;
    }
    a += job->skip;
    b += job->skip;
  }
  return d;
}

void cpcc_widen2_nine(uint32_t *d, const int8_t *a, const int8_t *b, int32_t stride) {
  const cpcc_widen2_t job = cpcc_widen2_job(3, 9, stride);
  cpcc_widen2_rest(cpcc_widen2_words(d, a, b, &job), a, b, &job);
}

static uint32_t entry(int32_t words) {
  (void)words;
  return 0;
}
#endif

cpcc_widen2_t cpcc_widen2_job(int32_t rows, int32_t run, int32_t stride) {
  const int32_t words = run / 4;
  const cpcc_widen2_t job = {(words - 1) / CPCC_WIDEN_BODY, rows, stride - 4 * words, entry(words), words, run, run % 4,
                             rows == 3 && run == 9};
  return job;
}

static uint32_t byte(const int8_t *p) { return (uint32_t)(int32_t)*p; }

/* The one to three bytes left of each run: two as a pair, then the single ones of two runs at a time. */
void cpcc_widen2_rest(uint32_t *d, const int8_t *a, const int8_t *b, const cpcc_widen2_t *job) {
  const int32_t stride = job->skip + 4 * job->words;
  a += 4 * job->words;
  b += 4 * job->words;
  if (job->rest >= 2) {
    for (int32_t i = 0; i < job->rows; i++) {
      const int8_t *p = a + i * stride, *q = b + i * stride;
      d = cpcc_store2(d, cpcc_pack_low(byte(p), byte(p + 1)), cpcc_pack_low(byte(q), byte(q + 1)));
    }
    a += 2;
    b += 2;
  }
  if (job->rest != 2) {
    int32_t i = 1;
    for (; i < job->rows; i += 2) {
      d = cpcc_store2(d, cpcc_pack_low(byte(a), byte(a + stride)), cpcc_pack_low(byte(b), byte(b + stride)));
      a += 2 * stride;
      b += 2 * stride;
    }
    if (i == job->rows) {
      (void)cpcc_store2(d, byte(a), byte(b));
    }
  }
}
