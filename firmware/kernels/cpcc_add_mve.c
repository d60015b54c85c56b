#include "cpcc_add_mve.h"

#if defined(__ARM_FEATURE_MVE)
void cpcc_add_mve_run(const int8_t *a, const int8_t *b, int8_t *y, const cpcc_add_mve_t *layer);

/* Eleven instructions for four elements. VQDMLAH adds the high word of twice the product, so an operand in the high byte
 * loses seven bits.
 *   r0 r1: operands   r2: y   r4 r5: multipliers   r6: offset   q0 q1: operands   q2: first multiplier   q4 q5: limits */
__asm__(
    ".syntax unified\n.section .text.cpcc_add_mve_run, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_add_mve_run\n.type cpcc_add_mve_run, %function\n.thumb_func\n"
    "cpcc_add_mve_run:\n"
    " push {r4-r6, lr}\n vpush {d8-d11}\n ldm.w r3, {r3, r4, r5, r6, r12, lr}\n"
    " vdup.32 q2, r4\n vdup.32 q4, r12\n vdup.32 q5, lr\n dlstp.32 lr, r3\n"
    "1: vldrb.s32 q0, [r0], #4\n vldrb.s32 q1, [r1], #4\n vshl.i32 q0, q0, #24\n vshl.i32 q1, q1, #24\n"
    " vqdmlash.s32 q0, q2, r6\n vqdmlah.s32 q0, q1, r5\n vshr.s32 q0, q0, #20\n"
    " vmax.s32 q0, q0, q4\n vmin.s32 q0, q0, q5\n vstrb.32 q0, [r2], #4\n letp lr, 1b\n"
    " vpop {d8-d11}\n pop {r4-r6, pc}\n"
    ".size cpcc_add_mve_run, . - cpcc_add_mve_run\n.text\n");
#else
static int32_t product(int32_t operand, int32_t multiplier) { return (int32_t)(((int64_t)operand * multiplier) >> 7); }

static void cpcc_add_mve_run(const int8_t *a, const int8_t *b, int8_t *y, const cpcc_add_mve_t *layer) {
  for (int32_t i = 0; i < layer->size; i++) {
    const int32_t first = product(a[i], layer->multiplier_a) + layer->offset;
    y[i] = (int8_t)cpcc_clamp((first + product(b[i], layer->multiplier_b)) >> 20, layer->low, layer->high);
  }
}
#endif

void cpcc_add_mve(const cpcc_add_mve_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch) {
  (void)scratch;
  cpcc_add_mve_run(a, b, y, layer);
}
