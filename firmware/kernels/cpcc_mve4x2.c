#include "cpcc_mve4x2.h"

#if CPCC_MVE
/* Sixteen instructions for 128 products.
 *   r0 r2 r4 r6: sums of pixel 0   r8 r10 r12 lr: of pixel 1   r1: weights   r3 r5: outputs   r7: blocks left
 *   r9: constants, then an input   r11: the other   q0 q1: inputs   q2 q3: weights   q6 q7: limits
 *   stack: x0, x1, blocks, channels left, zero point, rounding, constants */
#define WEIGHTS(q, a, c) \
  " vldrb.8 " q ", [r1], #16\n vmladava.s8 " a ", " q ", q0\n vmladava.s8 " c ", " q ", q1\n"
#define STORE                                                                                     \
  CPCC_MVE_CLAMP("q0", "q6", "q7") CPCC_MVE_CLAMP("q1", "q6", "q7")                               \
  " ldr r0, [sp, #12]\n vctp.32 r0\n vpstt\n vstrbt.32 q0, [r3], #4\n vstrbt.32 q1, [r5], #4\n"  \
  " subs r0, #4\n str r0, [sp, #12]\n bgt.w 1b\n b.w 6f\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_mve4x2, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_mve4x2\n.type cpcc_mve4x2, %function\n.thumb_func\n"
    "cpcc_mve4x2:\n"
    " push {r4-r11, lr}\n vpush {d8-d15}\n sub sp, #28\n"
    " ldrd r9, r11, [r1]\n ldrd r3, r5, [r2]\n ldrd r4, r6, [r0]\n ldr r1, [r0, #8]\n ldrd r8, r10, [r0, #16]\n ldrd r12, lr, [r0, #24]\n"
    " strd r9, r11, [sp]\n strd r4, r6, [sp, #8]\n strd r10, r8, [sp, #16]\n vdup.32 q6, r12\n vdup.32 q7, lr\n ldr.w r9, [r0, #12]\n"
    "1: ldm.w r9!, {r0, r2, r4, r6}\n str.w r9, [sp, #24]\n ldrd r9, r11, [sp]\n ldr r7, [sp, #8]\n"
    " mov r8, r0\n mov r10, r2\n mov r12, r4\n mov lr, r6\n"
    "2: vldrb.8 q0, [r9], #16\n vldrb.8 q1, [r11], #16\n"
    WEIGHTS("q2", "r0", "r8") WEIGHTS("q3", "r2", "r10") WEIGHTS("q2", "r4", "r12") WEIGHTS("q3", "r6", "lr")
    " subs r7, #1\n bne.w 2b\n"
    " vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n vmov q1[2], q1[0], r8, r12\n vmov q1[3], q1[1], r10, lr\n"
    " ldrd r7, r9, [sp, #20]\n vldrw.32 q2, [r9], #16\n cmp r7, #1\n beq.w 4f\n bhi.w 5f\n"
    " ldr r7, [sp, #16]\n" CPCC_MVE_ONCE("q0", "q2", "r7") CPCC_MVE_ONCE("q1", "q2", "r7") STORE
    "4: vldrw.32 q3, [r9], #16\n vldrw.32 q4, [r9], #16\n"
    CPCC_MVE_TFLITE("q0", "q2", "q3", "q4", "q5") CPCC_MVE_TFLITE("q1", "q2", "q3", "q4", "q5") STORE
    "5: vldrw.32 q3, [r9], #16\n vldrw.32 q4, [r9], #16\n"
    CPCC_MVE_RELU("q0", "q2", "q3", "q4") CPCC_MVE_RELU("q1", "q2", "q3", "q4") STORE
    "6: add sp, #28\n vpop {d8-d15}\n pop {r4-r11, pc}\n"
    ".size cpcc_mve4x2, . - cpcc_mve4x2\n.text\n");

/* Three instructions for sixteen bytes.   r0: output   r1: input   r2: rows left   r3: run   r4: pitch */
__asm__(
    ".syntax unified\n.section .text.cpcc_mve_patch, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_mve_patch\n.type cpcc_mve_patch, %function\n.thumb_func\n"
    "cpcc_mve_patch:\n"
    " push {r4, lr}\n ldr r4, [sp, #8]\n"
    "1: mov r12, r1\n push {r0}\n dlstp.8 lr, r3\n"
    "2: vldrb.8 q0, [r12], #16\n vstrb.8 q0, [r0], #16\n letp lr, 2b\n"
    " pop {r0}\n add r0, r3\n add r1, r4\n subs r2, #1\n bne.w 1b\n pop {r4, pc}\n"
    ".size cpcc_mve_patch, . - cpcc_mve_patch\n.text\n");
#else
static int32_t dot(const int8_t *w, const int8_t *x, int32_t blocks) {
  int32_t sum = 0;
  for (int32_t block = 0; block < blocks; block++, w += 64, x += 16) {
    for (int32_t i = 0; i < 16; i++) {
      sum += w[i] * x[i];
    }
  }
  return sum;
}

void cpcc_mve4x2(const cpcc_mve4x2_t *tile, const int8_t *const x[2], int8_t *const y[2]) {
  const int8_t *weights = (const int8_t *)tile->weights;
  const int32_t *constants = tile->constants;
  for (int32_t first = 0; first < tile->out_channels; first += 4, weights += 64 * tile->blocks) {
    for (int32_t c = 0; c < cpcc_min(4, tile->out_channels - first); c++) {
      for (int32_t pixel = 0; pixel < 2; pixel++) {
        const int32_t acc = constants[c] + dot(weights + 16 * c, x[pixel], tile->blocks);
        y[pixel][first + c] =
            cpcc_mve_round(tile->rounding, constants + 4, c, tile->zero_point, tile->low, tile->high, acc);
      }
    }
    constants += 4 + cpcc_mve_words(tile->rounding);
  }
}

void cpcc_mve_patch(int8_t *d, const int8_t *x, int32_t rows, int32_t run, int32_t pitch) {
  for (int32_t row = 0; row < rows; row++, x += pitch) {
    for (int32_t i = 0; i < run; i++) {
      *d++ = x[i];
    }
  }
}
#endif
