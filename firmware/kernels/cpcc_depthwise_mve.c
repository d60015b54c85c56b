#include "cpcc_depthwise_mve.h"

#include "cpcc_mve.h"
#include "cpcc_twin.h"

#if CPCC_MVE
extern const uint8_t cpcc_depthwise_mve_end[];
void cpcc_depthwise_mve_run(const int8_t *x, int8_t *y, const cpcc_twin_groups_t *groups, const cpcc_twin_t *job);

/* Nine instructions for eight products.
 *   q0 q1: sums of both pixels   q2: weights   q3 q4: inputs   q6 q7: limits
 *   r1: constants   r3: job   r4: weights   r5 r6: inputs of both pixels, then outputs
 *   r7: bytes between taps   r8: x   r9: y   r10: end of y   r11: skip   r12: runs left   lr: entry */
#define STORE                                                                                        \
  CPCC_MVE_CLAMP("q0", "q6", "q7") CPCC_MVE_CLAMP("q1", "q6", "q7")                                  \
  " mov r5, r9\n ldr r0, [r3, #4]\n add.w r6, r9, r0\n add r9, #4\n vstrb.32 q0, [r5]\n vstrb.32 q1, [r6]\n" \
  " cmp r9, r10\n bne.w 1b\n b.w 5f\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_depthwise_mve_run, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_depthwise_mve_run\n.type cpcc_depthwise_mve_run, %function\n.thumb_func\n"
    "cpcc_depthwise_mve_run:\n"
    " push {r4-r11, lr}\n vpush {d8-d15}\n mov r8, r0\n mov r9, r1\n ldr.w r10, [r3, #8]\n add r10, r1\n ldrd r4, r1, [r2]\n"
    " ldrd r7, r11, [r3, #16]\n ldrd r5, r6, [r3, #40]\n vdup.32 q6, r5\n vdup.32 q7, r6\n"
    "1: vldrw.32 q0, [r1], #16\n vmov q1, q0\n mov r5, r8\n ldr r0, [r3]\n add.w r6, r8, r0\n add r8, #4\n"
    " ldr.w r12, [r3, #12]\n ldr.w lr, [r3, #24]\n"
    "2: bx lr\n"
    " .rept 12\n vldrb.s32 q2, [r4], #4\n vldrb.s32 q3, [r5]\n vldrb.s32 q4, [r6]\n"
    " vmul.i32 q3, q3, q2\n vmul.i32 q4, q4, q2\n vadd.i32 q0, q0, q3\n vadd.i32 q1, q1, q4\n"
    " add.w r5, r5, r7\n add.w r6, r6, r7\n .endr\n"
    ".global cpcc_depthwise_mve_end\ncpcc_depthwise_mve_end:\n"
    " add r5, r11\n add r6, r11\n subs.w r12, r12, #1\n bne.w 2b\n"
    " vldrw.32 q2, [r1], #16\n ldr r0, [r3, #32]\n cmp r0, #1\n beq.w 3f\n bhi.w 4f\n"
    " ldr r0, [r3, #28]\n" CPCC_MVE_ONCE("q0", "q2", "r0") CPCC_MVE_ONCE("q1", "q2", "r0") STORE
    "3: vldrw.32 q3, [r1], #16\n vldrw.32 q4, [r1], #16\n"
    CPCC_MVE_TFLITE("q0", "q2", "q3", "q4", "q5") CPCC_MVE_TFLITE("q1", "q2", "q3", "q4", "q5") STORE
    "4: vldrw.32 q3, [r1], #16\n vldrw.32 q4, [r1], #16\n"
    CPCC_MVE_RELU("q0", "q2", "q3", "q4") CPCC_MVE_RELU("q1", "q2", "q3", "q4") STORE
    "5: vpop {d8-d15}\n pop {r4-r11, pc}\n"
    ".size cpcc_depthwise_mve_run, . - cpcc_depthwise_mve_run\n.text\n");

static uint32_t entry(int32_t taps) { return ((uint32_t)cpcc_depthwise_mve_end - 36u * (uint32_t)taps) | 1u; }
#else
static uint32_t entry(int32_t taps) { return 0u * (uint32_t)taps; }

static int32_t dot(const int8_t *x, const int8_t *w, const cpcc_twin_t *job) {
  int32_t sum = 0;
  for (int32_t run = 0; run < job->runs; run++, x += job->skip) {
    for (int32_t tap = 0; tap < job->taps; tap++, x += job->tap, w += 4) {
      sum += *w * *x;
    }
  }
  return sum;
}

static void cpcc_depthwise_mve_run(const int8_t *x, int8_t *y, const cpcc_twin_groups_t *groups, const cpcc_twin_t *job) {
  const int8_t *w = (const int8_t *)groups->weights;
  const int32_t *constants = groups->constants;
  for (int32_t c = 0; c < job->channels; c += 4, w += 4 * job->runs * job->taps) {
    for (int32_t i = 0; i < 4; i++) {
      for (int32_t pixel = 0; pixel < 2; pixel++) {
        const int32_t acc = constants[i] + dot(x + c + i + pixel * job->next, w + i, job);
        y[c + i + pixel * job->next_y] =
            cpcc_mve_round(job->rounding, constants + 4, i, job->zero_point, job->low, job->high, acc);
      }
    }
    constants += 4 + cpcc_mve_words(job->rounding);
  }
}
#endif

void cpcc_depthwise_mve(const cpcc_depthwise_mve_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_twin_t job = {.runs = layer->runs, .taps = layer->taps, .entry = entry(layer->taps),
                           .zero_point = layer->zero_point, .rounding = layer->rounding,
                           .low = layer->low, .high = layer->high};
  const cpcc_twin_groups_t first = {layer->weights, layer->constants};
  cpcc_twin_rows(cpcc_depthwise_mve_run, &layer->window, layer->kernel_h, job, first, 4 + cpcc_mve_words(layer->rounding), x, y,
                 scratch);
}
