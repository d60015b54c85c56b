#include "cpcc_add_affine_table.h"

#include "cpcc_saturate.h"

enum { SHIFT = 20 };

#if defined(__arm__)
/* `end` is a multiple of 4 elements behind y. */
void cpcc_add_affine_table_fours(const int8_t *a, const int8_t *b, int8_t *y, const int8_t *end, const int32_t *table_a,
                                 const int32_t *table_b);

#define BEGIN                                                                                             \
  ".syntax unified\n.section .text.cpcc_add_affine_table_fours, \"ax\", %progbits\n.thumb\n.p2align 2\n"  \
  ".global cpcc_add_affine_table_fours\n.type cpcc_add_affine_table_fours, %function\n.thumb_func\n"      \
  "cpcc_add_affine_table_fours:\n"
#define END ".size cpcc_add_affine_table_fours, . - cpcc_add_affine_table_fours\n.text\n"
#endif

#if defined(__ARM_ARCH_6M__)
/* Seventy-three instructions for four elements; clamped without a branch.
 *   r0 r1: operands   r2: y   r3-r5: temporary   r6 r7: tables   r8: end of y */
#define ELEMENT(at)                                                                                       \
  " ldrb r4, [r0, #" at "]\n ldrb r5, [r1, #" at "]\n lsls r4, r4, #2\n lsls r5, r5, #2\n ldr r4, [r6, r4]\n" \
  " ldr r5, [r7, r5]\n adds r4, r5\n asrs r4, r4, #20\n adds r4, #128\n asrs r5, r4, #31\n bics r4, r5\n"   \
  " movs r5, #255\n subs r5, r4\n asrs r5, r5, #31\n orrs r4, r5\n subs r4, #128\n strb r4, [r2, #" at "]\n"

__asm__(
    BEGIN " push {r4-r7, lr}\n mov r4, r8\n push {r4}\n mov r8, r3\n ldr r6, [sp, #24]\n ldr r7, [sp, #28]\n"
    "1:" ELEMENT("0") ELEMENT("1") ELEMENT("2") ELEMENT("3")
    " adds r0, #4\n adds r1, #4\n adds r2, #4\n cmp r2, r8\n bne 1b\n"
    " pop {r4}\n mov r8, r4\n pop {r4-r7, pc}\n" END);
#elif defined(__arm__)
/* Thirty instructions for four elements.
 *   r0 r1: operands   r2: y   r3: its end   r4 r5: tables   r6-r12 lr: temporary */
#define ELEMENT(a, b)                                                                                       \
  " ldrb " a ", [r0], #1\n ldrb " b ", [r1], #1\n ldr.w " a ", [r4, " a ", lsl #2]\n ldr.w " b ", [r5, " b ", lsl #2]\n" \
  " add " a ", " b "\n ssat " a ", #8, " a ", asr #20\n strb " a ", [r2], #1\n"

__asm__(
    BEGIN " push {r4-r7, lr}\n ldrd r4, r5, [sp, #20]\n"
    "1:" ELEMENT("r6", "r7") ELEMENT("r12", "lr") ELEMENT("r6", "r7") ELEMENT("r12", "lr")
    " cmp r2, r3\n bne 1b\n pop {r4-r7, pc}\n" END);
#else
static void cpcc_add_affine_table_fours(const int8_t *a, const int8_t *b, int8_t *y, const int8_t *end,
                                        const int32_t *table_a, const int32_t *table_b) {
  for (; y != end; y++) {
    *y = (int8_t)cpcc_clamp((table_a[(uint8_t)*a++] + table_b[(uint8_t)*b++]) >> SHIFT, -128, 127);
  }
}
#endif

void cpcc_add_affine_table(const cpcc_add_affine_table_t *layer, const int8_t *a, const int8_t *b, int8_t *y,
                           int8_t *scratch) {
  const int32_t whole = layer->size / 4 * 4;
  (void)scratch;
  if (whole > 0) {
    cpcc_add_affine_table_fours(a, b, y, y + whole, layer->table_a, layer->table_b);
  }
  for (int32_t i = whole; i < layer->size; i++) {
    const int32_t sum = layer->table_a[(uint8_t)a[i]] + layer->table_b[(uint8_t)b[i]];
    y[i] = (int8_t)cpcc_clamp(sum >> SHIFT, -128, 127);
  }
  cpcc_saturate(y, layer->size, layer->low, layer->high);
}
