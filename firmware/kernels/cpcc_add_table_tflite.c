#include "cpcc_add_table_tflite.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"

/* In the assembly's order. */
typedef struct {
  const int8_t *a, *b;
  int8_t *y;
  const int8_t *end; /* of y, a multiple of 4 elements behind it */
  const int32_t *table_a, *table_b;
  int32_t multiplier, offset, shift;
} fours_t;

static int8_t element(const cpcc_add_table_tflite_t *layer, int8_t a, int8_t b) {
  return cpcc_round(layer->rounding, layer->constants, 0, layer->table_a[(uint8_t)a] + layer->table_b[(uint8_t)b]);
}

#if CPCC_DSP
void cpcc_add_table_plain(const fours_t *job);
void cpcc_add_table_relu(const fours_t *job);

/* Four elements at a time. Assembly, because both compilers spill at 14 live registers.
 *   r0 r1: operands   r2: y   r3: its end   r4 r5: tables   r6-r8: multiplier, offset, shift   r9 r10: four of each operand
 *   r11 r12: temporary   lr: result */
#define SUM(turned)                                                                                        \
  " uxtb.w r11, r9" turned "\n ldr.w r11, [r4, r11, lsl #2]\n uxtb.w r12, r10" turned "\n"                  \
  " ldr.w r12, [r5, r12, lsl #2]\n add r11, r12\n"
#define PLAIN " smmlar r12, r11, r6, r7\n add r11, r12, r11, asr #31\n asr.w r11, r11, r8\n"
#define RELU " smmlar r11, r11, r6, r7\n asr.w r11, r11, r8\n"
#define NEXT(round, turned, at) SUM(turned) round " ssat r11, #8, r11\n bfi lr, r11, #" at ", #8\n"
#define FUNCTION(name, round)                                                                               \
  ".syntax unified\n.section .text." name ", \"ax\", %progbits\n.thumb\n.p2align 2\n"                        \
  ".global " name "\n.type " name ", %function\n.thumb_func\n" name ":\n"                                    \
  " push {r4-r11, lr}\n ldm r0, {r0-r8}\n"                                                                  \
  "1: ldr r9, [r0], #4\n ldr r10, [r1], #4\n" SUM("") round " ssat lr, #8, r11\n"                            \
  NEXT(round, ", ror #8", "8") NEXT(round, ", ror #16", "16") NEXT(round, ", ror #24", "24")                \
  " str lr, [r2], #4\n cmp r2, r3\n bne.w 1b\n pop {r4-r11, pc}\n.size " name ", . - " name "\n.text\n"

__asm__(FUNCTION("cpcc_add_table_plain", PLAIN) FUNCTION("cpcc_add_table_relu", RELU));

static void fours(const cpcc_add_table_tflite_t *layer, const fours_t *job) {
  if (layer->rounding == CPCC_TFLITE) {
    cpcc_add_table_plain(job);
  } else {
    cpcc_add_table_relu(job);
  }
}
#else
static void fours(const cpcc_add_table_tflite_t *layer, const fours_t *job) {
  const int8_t *a = job->a, *b = job->b;
  for (int8_t *y = job->y; y != job->end; y += 4, a += 4, b += 4) {
    const int8_t y0 = element(layer, a[0], b[0]), y1 = element(layer, a[1], b[1]);
    const int8_t y2 = element(layer, a[2], b[2]), y3 = element(layer, a[3], b[3]);
    cpcc_store4(y, cpcc_pack_bytes(y0, y1, y2, y3));
  }
}
#endif

/* y may be a or b. */
void cpcc_add_table_tflite(const cpcc_add_table_tflite_t *layer, const int8_t *a, const int8_t *b, int8_t *y,
                           int8_t *scratch) {
  const int32_t *constants = layer->constants, whole = layer->size / 4 * 4;
  const fours_t job = {a, b, y, y + whole, layer->table_a, layer->table_b, constants[0], constants[1], constants[2]};
  (void)scratch;
  if (whole > 0) {
    fours(layer, &job);
  }
  for (int32_t i = whole; i < layer->size; i++) {
    y[i] = element(layer, a[i], b[i]);
  }
  cpcc_saturate(y, layer->size, layer->low, layer->high);
}
