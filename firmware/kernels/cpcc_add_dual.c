#include "cpcc_add_dual.h"

#include "cpcc_dsp.h"
#include "cpcc_saturate.h"

/* `pair` has an element of each operand. */
static int32_t element(const cpcc_add_dual_t *layer, uint32_t pair) {
  return cpcc_ssat8(cpcc_smlad(pair, (uint32_t)layer->multipliers, layer->offset) >> layer->shift);
}

#if CPCC_DSP
enum { FIRST_SHIFT = 14, SHIFTS = 3 };

void cpcc_add_dual_14(const int8_t *a, const int8_t *b, int8_t *y, const int8_t *end, int32_t multipliers,
                      int32_t offset);
void cpcc_add_dual_15(const int8_t *a, const int8_t *b, int8_t *y, const int8_t *end, int32_t multipliers,
                      int32_t offset);
void cpcc_add_dual_16(const int8_t *a, const int8_t *b, int8_t *y, const int8_t *end, int32_t multipliers,
                      int32_t offset);

/* Eight elements at a time with the shifts that scales of one size lead to, which SSAT does on its way. The operands and y
 * are multiples of 4.
 *   r0 r1: operands   r2: y   r3: its end   r4 r5, r6 r7: eight of each operand   r8-r11: temporary
 *   r12: multipliers   lr: offset */
#define FOUR(a, b, shift)                                                                                             \
  " sxtb16 r8, " a "\n sxtb16 " a ", " a ", ror #8\n sxtb16 r9, " b "\n sxtb16 " b ", " b ", ror #8\n"                  \
  " pkhbt r10, r8, r9, lsl #16\n pkhtb r8, r9, r8, asr #16\n pkhbt r9, " a ", " b ", lsl #16\n"                         \
  " pkhtb r11, " b ", " a ", asr #16\n smlad r10, r10, r12, lr\n smlad r9, r9, r12, lr\n smlad r8, r8, r12, lr\n"       \
  " smlad r11, r11, r12, lr\n ssat r10, #8, r10, asr #" shift "\n ssat r9, #8, r9, asr #" shift "\n"                    \
  " ssat r8, #8, r8, asr #" shift "\n ssat r11, #8, r11, asr #" shift "\n bfi r10, r9, #8, #24\n"                       \
  " bfi r8, r11, #8, #24\n pkhbt " a ", r10, r8, lsl #16\n"
#define FUNCTION(name, shift)                                                                                         \
  ".syntax unified\n.section .text." name ", \"ax\", %progbits\n.thumb\n.p2align 2\n"                                  \
  ".global " name "\n.type " name ", %function\n.thumb_func\n" name ":\n"                                              \
  " push {r4-r11, lr}\n ldrd r12, lr, [sp, #36]\n"                                                                    \
  "1: ldrd r4, r5, [r0], #8\n ldrd r6, r7, [r1], #8\n" FOUR("r4", "r6", shift) FOUR("r5", "r7", shift)                 \
  " strd r4, r5, [r2], #8\n cmp r2, r3\n bne.w 1b\n pop {r4-r11, pc}\n.size " name ", . - " name "\n.text\n"

__asm__(FUNCTION("cpcc_add_dual_14", "14") FUNCTION("cpcc_add_dual_15", "15") FUNCTION("cpcc_add_dual_16", "16"));

/* The first elements; gives how many. */
static int32_t eights(const cpcc_add_dual_t *layer, const int8_t *a, const int8_t *b, int8_t *y) {
  void (*const functions[])(const int8_t *, const int8_t *, int8_t *, const int8_t *, int32_t, int32_t) = {
      cpcc_add_dual_14, cpcc_add_dual_15, cpcc_add_dual_16};
  const uint32_t at = (uint32_t)(layer->shift - FIRST_SHIFT);
  const int32_t whole = layer->size / 8 * 8;
  if (at >= SHIFTS || whole == 0) {
    return 0;
  }
  functions[at](a, b, y, y + whole, layer->multipliers, layer->offset);
  return whole;
}
#else
static int32_t eights(const cpcc_add_dual_t *layer, const int8_t *a, const int8_t *b, int8_t *y) {
  (void)layer;
  (void)a;
  (void)b;
  (void)y;
  return 0;
}
#endif

static uint32_t four(const cpcc_add_dual_t *layer, uint32_t a, uint32_t b) {
  const uint32_t a02 = cpcc_sxtb16(a), a13 = cpcc_sxtb16_high(a), b02 = cpcc_sxtb16(b), b13 = cpcc_sxtb16_high(b);
  const int32_t y0 = element(layer, cpcc_pack_low(a02, b02)), y1 = element(layer, cpcc_pack_low(a13, b13));
  const int32_t y2 = element(layer, cpcc_pack_high(a02, b02)), y3 = element(layer, cpcc_pack_high(a13, b13));
  return cpcc_pack_bytes(y0, y1, y2, y3);
}

/* y may be a or b. */
void cpcc_add_dual(const cpcc_add_dual_t *layer, const int8_t *a, const int8_t *b, int8_t *y, int8_t *scratch) {
  const cpcc_add_dual_t copy = *layer;
  int32_t i = eights(layer, a, b, y);
  (void)scratch;
  for (; i + 4 <= copy.size; i += 4) {
    cpcc_store4(y + i, four(&copy, cpcc_load4(a + i), cpcc_load4(b + i)));
  }
  for (; i < copy.size; i++) {
    y[i] = (int8_t)element(&copy, cpcc_pack_low((uint32_t)(int32_t)a[i], (uint32_t)(int32_t)b[i]));
  }
  cpcc_saturate(y, copy.size, copy.low, copy.high);
}
