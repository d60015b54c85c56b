#include "cpcc_linear_mve.h"

#include "cpcc_mve.h"

/* In the assembly's order. */
typedef struct {
  int32_t blocks;
  const int32_t *weights;
  int32_t rounding, low, high, rows, zero_point;
} rows_t;

#if CPCC_MVE
void cpcc_linear_mve_run(const int8_t *x, int8_t *y, const int32_t *constants, const rows_t *job);

/* Nineteen instructions for 128 products.
 *   r0 r2 r4 r6 r8 r10 r12 lr: sums   r1: output   r3: weights   r5: job   r7: input   r9: constants, then blocks left
 *   r11: rows left   q0: inputs   q2 q3: weights   q6 q7: limits   stack: x, blocks, constants, rounding */
#define MLA(q, a) " vldrb.8 " q ", [r3], #16\n vmladava.s8 " a ", " q ", q0\n"
#define ONCE(a) " vldrw.32 q2, [r9], #16\n" CPCC_MVE_ONCE(a, "q2", "r7")
#define THREE " vldrw.32 q2, [r9], #16\n vldrw.32 q3, [r9], #16\n vldrw.32 q4, [r9], #16\n"
#define TFLITE(a) THREE CPCC_MVE_TFLITE(a, "q2", "q3", "q4", "q5")
#define RELU(a) THREE CPCC_MVE_RELU(a, "q2", "q3", "q4")

__asm__(
    ".syntax unified\n.section .text.cpcc_linear_mve_run, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_linear_mve_run\n.type cpcc_linear_mve_run, %function\n.thumb_func\n"
    "cpcc_linear_mve_run:\n"
    " push {r4-r11, lr}\n vpush {d8-d15}\n sub sp, #16\n mov r5, r3\n mov r9, r2\n ldm.w r5, {r2, r3, r4, r6, r7, r11}\n"
    " strd r0, r2, [sp]\n str r4, [sp, #12]\n vdup.32 q6, r6\n vdup.32 q7, r7\n"
    "1: ldm.w r9!, {r0, r2, r4, r6, r8, r10, r12, lr}\n str.w r9, [sp, #8]\n ldrd r7, r9, [sp]\n"
    "2: vldrb.8 q0, [r7], #16\n"
    MLA("q2", "r0") MLA("q3", "r2") MLA("q2", "r4") MLA("q3", "r6")
    MLA("q2", "r8") MLA("q3", "r10") MLA("q2", "r12") MLA("q3", "lr")
    " subs.w r9, r9, #1\n bne.w 2b\n"
    " vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n vmov q1[2], q1[0], r8, r12\n vmov q1[3], q1[1], r10, lr\n"
    " ldrd r9, r0, [sp, #8]\n cmp r0, #1\n beq.w 4f\n bhi.w 5f\n ldr r7, [r5, #24]\n" ONCE("q0") ONCE("q1") " b.w 6f\n"
    "4:" TFLITE("q0") TFLITE("q1") " b.w 6f\n"
    "5:" RELU("q0") RELU("q1")
    "6:" CPCC_MVE_CLAMP("q0", "q6", "q7") CPCC_MVE_CLAMP("q1", "q6", "q7")
    " vctp.32 r11\n vpst\n vstrbt.32 q0, [r1], #4\n subs.w r11, r11, #4\n ble.w 7f\n"
    " vctp.32 r11\n vpst\n vstrbt.32 q1, [r1], #4\n subs.w r11, r11, #4\n bgt.w 1b\n"
    "7: add sp, #16\n vpop {d8-d15}\n pop {r4-r11, pc}\n"
    ".size cpcc_linear_mve_run, . - cpcc_linear_mve_run\n.text\n");
#else
static void cpcc_linear_mve_run(const int8_t *x, int8_t *y, const int32_t *constants, const rows_t *job) {
  const int8_t *w = (const int8_t *)job->weights;
  for (int32_t first = 0; first < job->rows; first += 8, w += 128 * job->blocks) {
    const int32_t *vectors = constants + 8;
    for (int32_t row = 0; row < cpcc_min(8, job->rows - first); row++) {
      int32_t acc = constants[row];
      for (int32_t i = 0; i < 16 * job->blocks; i++) {
        acc += w[i / 16 * 128 + 16 * row + i % 16] * x[i];
      }
      y[first + row] = cpcc_mve_round(job->rounding, vectors + row / 4 * cpcc_mve_words(job->rounding), row % 4,
                                      job->zero_point, job->low, job->high, acc);
    }
    constants = vectors + 2 * cpcc_mve_words(job->rounding);
  }
}
#endif

void cpcc_linear_mve(const cpcc_linear_mve_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const rows_t job = {.blocks = (layer->in_features + 15) / 16, .weights = layer->weights, .rounding = layer->rounding,
                      .low = layer->low, .high = layer->high, .rows = layer->out_features,
                      .zero_point = layer->zero_point};
  if (layer->in_features % 16 != 0) {
    for (int32_t i = 0; i < layer->in_features; i++) {
      scratch[i] = x[i];
    }
  }
  cpcc_linear_mve_run(layer->in_features % 16 != 0 ? scratch : x, y, layer->constants, &job);
}
