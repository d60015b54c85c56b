#include "cpcc_round_row.h"

#if defined(__ARM_ARCH_6M__)
void cpcc_round_row_once(const int32_t *acc, const int32_t *end, const int32_t *constants, int8_t *y,
                         const cpcc_round_row_t *job);
void cpcc_round_row_tflite(const int32_t *acc, const int32_t *end, const int32_t *constants, int8_t *y,
                           const cpcc_round_row_t *job);

/* Assembly, because both compilers take twice as many instructions. The product's high word comes from four products of halves: with
 * a = 2^16 a1 + a0 and a multiplier b that is not negative, round(a * b / 2^32) is
 * a1 b1 + (a1 b0 >> 16) + ((a0 b1 + (a0 b0 >> 16) + 2^15 + (a1 b0 & 0xFFFF)) >> 16), and the last sum is below 2^32.
 *   r0: next accumulator   r1: constants   r8: output   r9: its step   r10: bytes to the next constants   r11: end
 *   r12: 2^15   lr: zero point + 128   In: r2, the accumulator; r3, the multiplier. Out: r2 */
#define HIGH_WORD                                                                               \
  " uxth r4, r2\n asrs r2, r2, #16\n uxth r5, r3\n lsrs r3, r3, #16\n movs r6, r5\n muls r6, r4, r6\n" \
  " lsrs r6, r6, #16\n muls r4, r3, r4\n adds r4, r6\n muls r5, r2, r5\n muls r2, r3, r2\n uxth r6, r5\n" \
  " adds r4, r6\n add r4, r12\n lsrs r4, r4, #16\n asrs r5, r5, #16\n adds r2, r5\n adds r2, r4\n"
/* r2 + 128 clamped to a byte without a branch, and stored less 128. */
#define STORE                                                                                    \
  " asrs r3, r2, #31\n bics r2, r3\n movs r3, #255\n subs r3, r2\n asrs r3, r3, #31\n orrs r2, r3\n" \
  " subs r2, #128\n mov r3, r8\n strb r2, [r3]\n add r8, r9\n add r1, r10\n cmp r0, r11\n"
#define BEGIN(name)                                                                               \
  ".syntax unified\n.section .text." name ", \"ax\", %progbits\n.thumb\n.p2align 2\n.global " name "\n.type " name \
  ", %function\n.thumb_func\n" name ":\n"                                                         \
  " push {r4-r7, lr}\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"      \
  " mov r8, r3\n mov r11, r1\n mov r1, r2\n ldr r7, [sp, #36]\n ldmia r7!, {r4, r5, r6}\n mov r9, r4\n lsls r5, r5, #2\n" \
  " mov r10, r5\n adds r6, #128\n mov lr, r6\n movs r6, #128\n lsls r6, r6, #8\n mov r12, r6\n"
#define END(name)                                                                                 \
  " pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n"        \
  ".size " name ", . - " name "\n.text\n"

__asm__(BEGIN("cpcc_round_row_once")
        "1: ldmia r0!, {r2}\n ldr r3, [r1]\n" HIGH_WORD " add r2, lr\n" STORE " bne 1b\n" END("cpcc_round_row_once"));

__asm__(BEGIN("cpcc_round_row_tflite")
        "1: ldmia r0!, {r2}\n ldr r3, [r1]\n asrs r7, r2, #31\n" HIGH_WORD
        " adds r2, r7\n ldr r3, [r1, #4]\n adds r2, r3\n ldr r3, [r1, #8]\n asrs r2, r3\n adds r2, #128\n" STORE
        " bne 1b\n" END("cpcc_round_row_tflite"));

/* Under a ReLU whose correction cannot show, it does no harm. */
void cpcc_round_row(const int32_t *acc, const int32_t *end, const int32_t *constants, int8_t *y,
                    const cpcc_round_row_t *job) {
  if (job->rounding == CPCC_ONCE) {
    cpcc_round_row_once(acc, end, constants, y, job);
  } else {
    cpcc_round_row_tflite(acc, end, constants, y, job);
  }
}
#else
void cpcc_round_row(const int32_t *acc, const int32_t *end, const int32_t *constants, int8_t *y,
                    const cpcc_round_row_t *job) {
  for (; acc != end; acc++, constants += job->constants, y += job->step) {
    *y = cpcc_round(job->rounding, constants, job->zero_point, *acc);
  }
}
#endif
