#include "cpcc_swar2.h"

#include "cpcc_round_row.h"

typedef struct {
  uint32_t s;
  int32_t b;
} total_t;

#if defined(__ARM_ARCH_6M__)
const uint8_t *cpcc_swar2_totals(const uint32_t *x, const uint32_t *x_end, const uint8_t *w, total_t *total);

/* Fourteen instructions for eight products.
 *   r0: next input   r1: weights   r4 r5: inputs   r6 r7: 0 and 1, since signed bytes are loaded by index
 *   r8 r9: sums of the first channel, pixels 0 and 1, then 2 and 3   r10 r11: of the second   r12: end of x   lr: totals */
#define CHANNEL(i, a, c) \
  " ldrsb r3, [r1, " i "]\n movs r2, r3\n muls r2, r4, r2\n add " a ", r2\n muls r3, r5, r3\n add " c ", r3\n"
#define FLUSH(a) " mov r2, " a "\n ldr r4, [r3]\n ldr r5, [r3, #4]\n adds r4, r2\n asrs r2, r2, #16\n adds r5, r2\n stmia r3!, {r4, r5}\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_swar2_totals, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_swar2_totals\n.type cpcc_swar2_totals, %function\n.thumb_func\n"
    "cpcc_swar2_totals:\n"
    " push {r4-r7, lr}\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
    " mov r12, r1\n mov r1, r2\n mov lr, r3\n movs r6, #0\n movs r7, #1\n"
    "1: movs r2, #128\n lsls r2, r2, #8\n mov r8, r2\n mov r9, r2\n mov r10, r2\n mov r11, r2\n"
    " ldrh r2, [r1]\n adds r1, #2\n add pc, r2\n nop\n"
    " .rept 16\n ldmia r0!, {r4, r5}\n" CHANNEL("r6", "r8", "r9") CHANNEL("r7", "r10", "r11") " adds r1, #2\n .endr\n"
    " mov r3, lr\n" FLUSH("r8") FLUSH("r9") FLUSH("r10") FLUSH("r11")
    " cmp r0, r12\n beq 2f\n b 1b\n"
    "2: mov r0, r1\n pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n"
    ".size cpcc_swar2_totals, . - cpcc_swar2_totals\n.text\n");
#else
static const uint8_t *cpcc_swar2_totals(const uint32_t *x, const uint32_t *x_end, const uint8_t *w, total_t *total) {
  while (x != x_end) {
    uint32_t sums[4] = {1u << 15, 1u << 15, 1u << 15, 1u << 15};
    const int32_t steps = CPCC_SWAR2_STEPS - (w[0] | w[1] << 8) / CPCC_SWAR2_STEP_BYTES;
    w += 2;
    for (int32_t step = 0; step < steps; step++, x += 2, w += 2) {
      for (int32_t i = 0; i < 4; i++) {
        sums[i] += (uint32_t)(int32_t)(int8_t)w[i / 2] * x[i % 2];
      }
    }
    for (int32_t i = 0; i < 4; i++) {
      total[i].s += sums[i];
      total[i].b += (int16_t)(uint16_t)(sums[i] >> 16);
    }
  }
  return w;
}
#endif

/* Four pixels of one channel. */
static void store(const cpcc_swar_t *tile, const total_t *total, const int32_t *constants, int8_t *y) {
  const cpcc_round_row_t job = {tile->channels, 0, tile->zero_point, tile->rounding};
  int32_t acc[4];
  for (int32_t i = 0; i < 2; i++) {
    acc[2 * i] = cpcc_row_a(tile->rounding, (int32_t)(total[i].s - ((uint32_t)total[i].b << 16)));
    acc[2 * i + 1] = cpcc_row_a(tile->rounding, total[i].b);
  }
  cpcc_round_row(acc, acc + 4, constants, y, &job);
}

void cpcc_swar2(const cpcc_swar_t *tile, int8_t *y) {
  const int32_t words = cpcc_channel_words(tile->rounding);
  const int32_t *constants = tile->constants;
  const uint8_t *w = tile->weights;
  for (int8_t *end = y + tile->channels; y != end; y += 2) {
    total_t total[4];
    for (int32_t i = 0; i < 4; i++) {
      total[i].s = (uint32_t)constants[i / 2 * 2];
      total[i].b = constants[i / 2 * 2 + 1];
    }
    constants += 4;
    w = cpcc_swar2_totals(tile->x, tile->x_end, w, total);
    store(tile, total, constants, y);
    store(tile, total + 2, constants + words, y + 1);
    constants += 2 * words;
  }
}
