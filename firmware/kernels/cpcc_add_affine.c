#include "cpcc_add_affine.h"

#include "cpcc_dsp.h"
#include "cpcc_saturate.h"

enum { SHIFT = 20 };

/* The operands lie in a halfword's high byte, so that SMLAWB keeps 24 bits of the product. */
static int8_t element(const cpcc_add_affine_t *layer, int8_t a, int8_t b) {
  const int32_t first = cpcc_smlaw(layer->multiplier_a, a * 256, layer->offset);
  return (int8_t)cpcc_ssat8(cpcc_smlaw(layer->multiplier_b, b * 256, first) >> SHIFT);
}

#if CPCC_DSP
/* In the assembly's order. */
typedef struct {
  const int8_t *a, *b;
  int8_t *y;
  const int8_t *end; /* of y, a multiple of 8 elements behind it */
  int32_t multiplier_a, multiplier_b, offset;
  uint32_t mask; /* high bytes of halfwords */
} eights_t;

void cpcc_add_affine_eights(const eights_t *job);

/* Eleven instructions for two elements.
 *   r0 r1: operands   r2: y   r3: its end   r4 r5: multipliers   r6: offset   r7: mask   r8 r9: eight of a, then of y
 *   r10: four of b   r11 r12 lr: temporary */
#define SUM(half, a, b, d) " smlaw" half " " d ", r4, " a ", r6\n smlaw" half " " d ", r5, " b ", " d "\n"
#define SATURATE(d) " ssat " d ", #8, " d ", asr #20\n"
#define FOUR(a)                                                                                            \
  " ldr r10, [r1], #4\n and.w r11, r7, " a ", lsl #8\n and.w r12, r7, r10, lsl #8\n and.w " a ", " a ", r7\n" \
  " and.w r10, r10, r7\n" SUM("b", "r11", "r12", "lr") SUM("t", "r11", "r12", "r11")                          \
  SUM("b", a, "r10", "r12") SUM("t", a, "r10", a)                                                            \
  SATURATE("lr") SATURATE("r12") SATURATE("r11") SATURATE(a)                                                 \
  " bfi lr, r12, #8, #24\n bfi r11, " a ", #8, #24\n pkhbt " a ", lr, r11, lsl #16\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_add_affine_eights, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_add_affine_eights\n.type cpcc_add_affine_eights, %function\n.thumb_func\n"
    "cpcc_add_affine_eights:\n"
    " push {r4-r11, lr}\n ldm r0, {r0-r7}\n"
    "1: ldrd r8, r9, [r0], #8\n" FOUR("r8") FOUR("r9")
    " strd r8, r9, [r2], #8\n cmp r2, r3\n bne.w 1b\n pop {r4-r11, pc}\n"
    ".size cpcc_add_affine_eights, . - cpcc_add_affine_eights\n.text\n");

/* The first elements; gives how many. */
static int32_t eights(const cpcc_add_affine_t *layer, const int8_t *a, const int8_t *b, int8_t *y) {
  const int32_t whole = layer->size / 8 * 8;
  const eights_t job = {a, b, y, y + whole, layer->multiplier_a, layer->multiplier_b, layer->offset, 0xFF00FF00u};
  if (whole > 0) {
    cpcc_add_affine_eights(&job);
  }
  return whole;
}
#else
static int32_t eights(const cpcc_add_affine_t *layer, const int8_t *a, const int8_t *b, int8_t *y) {
  (void)layer;
  (void)a;
  (void)b;
  (void)y;
  return 0;
}
#endif

void cpcc_add_affine(const cpcc_add_affine_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = eights(layer, a, b, y); i < layer->size; i++) {
    y[i] = element(layer, a[i], b[i]);
  }
  cpcc_saturate(y, layer->size, layer->low, layer->high);
}
