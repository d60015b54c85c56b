#include "cpcc_swar.h"

#if defined(__ARM_ARCH) && __ARM_ARCH_ISA_THUMB == 2
/* Thirteen instructions for sixteen products.
 *   r0-r3: sums of pixels 0 and 1, a channel each   r4-r7: of pixels 2 and 3   r8 r9: inputs   r10: weight
 *   r11: 2^15   r12: next input   lr: weights
 *   stack: S and B of r0-r7, then x, end of x, constants, y, end of y, channels, zero point, rounding */
#define CHANNEL(a, c, from_a, from_c) \
  " ldrsb r10, [lr], #1\n mla " a ", r10, r8, " from_a "\n mla " c ", r10, r9, " from_c "\n"
#define X " ldrd r8, r9, [r12], #8\n"
#define FLUSH1(s, b, a) " add " s ", " a "\n add.w " b ", " b ", " a ", asr #16\n"
#define ROUND(a) " smull r4, " a ", " a ", r5\n lsls r4, r4, #1\n adc " a ", " a ", r6\n"
#define ROUND_TFLITE(a)                                                                            \
  " lsl.w " a ", " a ", #1\n smull r4, r10, " a ", r5\n lsls r4, r4, #1\n adc r10, r10, r6\n"     \
  " add " a ", r10, " a ", asr #31\n asr.w " a ", " a ", r7\n"
#define ROUND_RELU(a)                                                                              \
  " lsl.w " a ", " a ", #1\n smull r4, " a ", " a ", r5\n lsls r4, r4, #1\n adc " a ", " a ", r6\n" \
  " asr.w " a ", " a ", r7\n"
#define FOUR(f) " .irp a, r0, r1, r2, r3\n" f("\\a") " .endr\n" /* by the assembler: C99 promises literals of 4,095 characters only */
#define UNMIX " ldrd r0, r1, [r12], #8\n ldrd r2, r3, [r12, #24]\n sub.w r0, r0, r1, lsl #16\n sub.w r2, r2, r3, lsl #16\n"
#define STORE                                                                                      \
  " ssat r0, #8, r0\n ssat r1, #8, r1\n ssat r2, #8, r2\n ssat r3, #8, r3\n"                       \
  " add.w r4, r8, r9\n strb.w r1, [r8, r9]\n strb.w r2, [r8, r9, lsl #1]\n strb.w r3, [r4, r9, lsl #1]\n" \
  " strb r0, [r8], #1\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_swar, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_swar\n.type cpcc_swar, %function\n.thumb_func\n"
    "cpcc_swar:\n"
    " push {r4-r11, lr}\n sub sp, #100\n ldm r0, {r2-r8}\n mov lr, r4\n"
    " add r12, sp, #64\n add r10, r1, r6\n"
    " str r2, [r12]\n str r3, [r12, #4]\n str r5, [r12, #8]\n str r1, [r12, #12]\n str.w r10, [r12, #16]\n"
    " str r6, [r12, #20]\n str r7, [r12, #24]\n str.w r8, [r12, #28]\n"
    "1: ldr r8, [sp, #72]\n ldm.w r8!, {r0-r7}\n str r8, [sp, #72]\n mov r9, sp\n stm.w r9!, {r0-r7}\n stm.w r9, {r0-r7}\n"
    " ldr.w r12, [sp, #64]\n movw r11, #0x8000\n"
    "2:" X CHANNEL("r0", "r4", "r11", "r11") CHANNEL("r1", "r5", "r11", "r11") CHANNEL("r2", "r6", "r11", "r11")
    CHANNEL("r3", "r7", "r11", "r11")
    " ldrh r8, [lr], #2\n add pc, r8\n nop.n\n"
    " .rept 16\n" X CHANNEL("r0", "r4", "r0", "r4") CHANNEL("r1", "r5", "r1", "r5") CHANNEL("r2", "r6", "r2", "r6")
    CHANNEL("r3", "r7", "r3", "r7") " .endr\n"
    " ldrd r8, r9, [sp]\n" FLUSH1("r8", "r9", "r0") " strd r8, r9, [sp]\n add r11, sp, #8\n"
    " ldm.w r11, {r0, r8, r9, r10}\n" FLUSH1("r0", "r8", "r1") FLUSH1("r9", "r10", "r2") " stm.w r11!, {r0, r8, r9, r10}\n"
    " ldm.w r11, {r0, r1, r2, r8, r9, r10}\n" FLUSH1("r0", "r1", "r3") FLUSH1("r2", "r8", "r4") FLUSH1("r9", "r10", "r5")
    " stm.w r11!, {r0, r1, r2, r8, r9, r10}\n"
    " ldm.w r11, {r0, r1, r2, r3}\n" FLUSH1("r0", "r1", "r6") FLUSH1("r2", "r3", "r7") " stm.w r11, {r0, r1, r2, r3}\n"
    " movw r11, #0x8000\n ldr r8, [sp, #68]\n cmp r12, r8\n bne.w 2b\n"
    " mov r12, sp\n ldr.w r11, [sp, #72]\n ldr.w r8, [sp, #76]\n ldr.w r9, [sp, #84]\n"
    " ldrd r6, r4, [sp, #88]\n cmp r4, #1\n beq.w 4f\n bhi.w 5f\n"
    " .rept 4\n" UNMIX " ldr r5, [r11], #4\n" FOUR(ROUND) STORE " .endr\n b.w 6f\n"
    "4:\n .rept 4\n" UNMIX " ldm.w r11!, {r5, r6, r7}\n" FOUR(ROUND_TFLITE) STORE " .endr\n b.w 6f\n"
    "5:\n .rept 4\n" UNMIX " ldm.w r11!, {r5, r6, r7}\n" FOUR(ROUND_RELU) STORE " .endr\n"
    "6: ldr r0, [sp, #80]\n strd r11, r8, [sp, #72]\n cmp r8, r0\n bne.w 1b\n"
    " add sp, #100\n pop {r4-r11, pc}\n"
    ".size cpcc_swar, . - cpcc_swar\n.text\n");

#define BYTE                                                                                        \
  " ldrsb r8, [r4], #1\n ldrsb r9, [r5], #1\n ldrsb r10, [r6], #1\n ldrsb r11, [r7], #1\n"          \
  " add.w r8, r8, r9, lsl #16\n add.w r10, r10, r11, lsl #16\n strd r8, r10, [r0], #8\n"

/* Seven instructions for an input of four pixels.
 *   r0: output   r1: bytes left in fours   r2: fours, then rows left   r3: from the end of a run to the next   r12: rest of a run   lr: counter */
__asm__(
    ".syntax unified\n.section .text.cpcc_swar_pack, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_swar_pack\n.type cpcc_swar_pack, %function\n.thumb_func\n"
    "cpcc_swar_pack:\n"
    " push {r4-r11, lr}\n ldm r1, {r4, r5, r6, r7}\n ldm.w r2, {r1, r8, r9}\n"
    " sub.w r3, r9, r8\n lsrs.w r12, r8, #2\n and r2, r8, #3\n"
    "1: movs.w lr, r12\n beq.w 3f\n"
    "2:" BYTE BYTE BYTE BYTE " subs.w lr, lr, #1\n bne.w 2b\n"
    "3: movs.w lr, r2\n beq.w 5f\n"
    "4:" BYTE " subs.w lr, lr, #1\n bne.w 4b\n"
    "5: add r4, r3\n add r5, r3\n add r6, r3\n add r7, r3\n subs.w r1, r1, #1\n bne.w 1b\n"
    " pop {r4-r11, pc}\n"
    ".size cpcc_swar_pack, . - cpcc_swar_pack\n.text\n");
#else
typedef struct {
  uint32_t s;
  int32_t b;
} total_t;

/* The upper half of a sum, signed. */
static int32_t upper(uint32_t sum) { return (int16_t)(uint16_t)(sum >> 16); }

/* Four channels: eight totals, pixels 0 and 1 of each channel, then 2 and 3. */
static const uint8_t *totals(const cpcc_swar_t *tile, const uint8_t *w, total_t *total) {
  for (const uint32_t *x = tile->x; x != tile->x_end;) {
    uint32_t sums[8] = {1u << 15, 1u << 15, 1u << 15, 1u << 15, 1u << 15, 1u << 15, 1u << 15, 1u << 15};
    const int32_t steps = CPCC_SWAR_STEPS - (w[4] | w[5] << 8) / CPCC_SWAR_STEP_BYTES;
    for (int32_t step = 0; step <= steps; step++, x += 2, w += 4) {
      for (int32_t c = 0; c < 4; c++) {
        const uint32_t weight = (uint32_t)(int32_t)(int8_t)w[c];
        sums[c] += weight * x[0];
        sums[4 + c] += weight * x[1];
      }
      w += step == 0 ? 2 : 0;
    }
    for (int32_t i = 0; i < 8; i++) {
      total[i].s += sums[i];
      total[i].b += upper(sums[i]);
    }
  }
  return w;
}

void cpcc_swar(const cpcc_swar_t *tile, int8_t *y) {
  const int32_t rounding = tile->rounding, words = cpcc_channel_words(rounding);
  const int32_t *constants = tile->constants;
  const uint8_t *w = tile->weights;
  for (int32_t first = 0; first < tile->channels; first += 4) {
    total_t total[8];
    for (int32_t i = 0; i < 8; i++) {
      total[i].s = (uint32_t)constants[2 * (i % 4)];
      total[i].b = constants[2 * (i % 4) + 1];
    }
    constants += 8;
    w = totals(tile, w, total);
    for (int32_t c = 0; c < 4; c++, constants += words) {
      for (int32_t i = 0; i < 2; i++) {
        const total_t *both = &total[4 * i + c];
        const int32_t a = (int32_t)(both->s - ((uint32_t)both->b << 16));
        int8_t *out = y + first + c + 2 * i * tile->channels;
        out[0] = cpcc_round(rounding, constants, tile->zero_point, cpcc_row_a(rounding, a));
        out[tile->channels] = cpcc_round(rounding, constants, tile->zero_point, cpcc_row_a(rounding, both->b));
      }
    }
  }
}

#if defined(__ARM_ARCH_6M__)
uint32_t *cpcc_swar_pack_run(uint32_t *d, const int8_t *const p[4], int32_t first, int32_t end);

/* Thirteen instructions for an input of four pixels.   r0: output   r1-r4: pixels   r5: index   r6 r7: inputs   r12: end */
__asm__(
    ".syntax unified\n.section .text.cpcc_swar_pack_run, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_swar_pack_run\n.type cpcc_swar_pack_run, %function\n.thumb_func\n"
    "cpcc_swar_pack_run:\n"
    " push {r4-r7, lr}\n movs r5, r2\n mov r12, r3\n ldmia r1, {r1, r2, r3, r4}\n"
    "1: ldrsb r6, [r1, r5]\n ldrsb r7, [r2, r5]\n lsls r7, r7, #16\n adds r6, r7\n stmia r0!, {r6}\n"
    " ldrsb r6, [r3, r5]\n ldrsb r7, [r4, r5]\n lsls r7, r7, #16\n adds r6, r7\n stmia r0!, {r6}\n"
    " adds r5, #1\n cmp r5, r12\n bne 1b\n pop {r4-r7, pc}\n"
    ".size cpcc_swar_pack_run, . - cpcc_swar_pack_run\n.text\n");

void cpcc_swar_pack(uint32_t *d, const int8_t *const p[4], const cpcc_swar_patch_t *patch) {
  for (int32_t row = 0; row < patch->rows; row++) {
    d = cpcc_swar_pack_run(d, p, row * patch->pitch, row * patch->pitch + patch->run);
  }
}
#else
void cpcc_swar_pack(uint32_t *d, const int8_t *const p[4], const cpcc_swar_patch_t *patch) {
  for (int32_t row = 0; row < patch->rows; row++) {
    for (int32_t i = row * patch->pitch; i < row * patch->pitch + patch->run; i++) {
      *d++ = (uint32_t)(int32_t)p[0][i] + ((uint32_t)(int32_t)p[1][i] << 16);
      *d++ = (uint32_t)(int32_t)p[2][i] + ((uint32_t)(int32_t)p[3][i] << 16);
    }
  }
}
#endif
#endif
