#include "cpcc_depthwise_twin.h"

#include "cpcc_round_row.h"
#include "cpcc_saturate.h"
#include "cpcc_twin.h"

#if defined(__ARM_ARCH) && __ARM_ARCH_ISA_THUMB == 2
extern const uint8_t cpcc_depthwise_twin_end[], cpcc_depthwise_twin_once[], cpcc_depthwise_twin_tflite[];
extern const uint8_t cpcc_depthwise_twin_relu[];
void cpcc_depthwise_twin_run(const int8_t *x, int8_t *y, const cpcc_twin_groups_t *groups, const cpcc_twin_t *job);

/* Twenty-two instructions for eight products.
 *   r0-r3: sums of the first pixel   r4-r7: of the second   r8: weight   r9: input   r10 r11: inputs of both pixels
 *   r12: bytes between taps   lr: weights
 *   stack: x, y, end of y, runs left, then the job up to the zero point, its channels replaced by the constants; epilogue */
#define CHANNEL(a, c, at)                                                                              \
  " ldrsb r8, [lr], #1\n ldrsb.w r9, [r10, #" at "]\n mla " a ", r8, r9, " a "\n"                        \
  " ldrsb.w r9, [r11, #" at "]\n mla " c ", r8, r9, " c "\n"
#define ROUND(a) " smull r9, " a ", " a ", r8\n lsls.w r9, r9, #1\n adc " a ", " a ", r10\n"
#define ROUND_TFLITE(a)                                                                       \
  " lsl.w " a ", " a ", #1\n smull r11, r12, " a ", r8\n lsls.w r11, r11, #1\n adc r12, r12, r9\n" \
  " add.w " a ", r12, " a ", asr #31\n asr.w " a ", " a ", r10\n"
#define ROUND_RELU(a)                                                                              \
  " lsl.w " a ", " a ", #1\n smull r11, " a ", " a ", r8\n lsls.w r11, r11, #1\n adc " a ", " a ", r9\n" \
  " asr.w " a ", " a ", r10\n"
#define ONCE(f, a, c) " ldr r8, [r11], #4\n" f(a) f(c)
#define THRICE(f, a, c) " ldmia.w lr!, {r8, r9, r10}\n" f(a) f(c)
#define SWAP " str lr, [sp, #12]\n mov lr, r11\n"
#define LABEL(name) " .p2align 1\n.global cpcc_depthwise_twin_" name "\ncpcc_depthwise_twin_" name ":\n"
/* By the assembler, since C99 promises literals of 4,095 characters only. */
#define ALL(load, f)                                                                          \
  " .macro cpcc_pair a, c\n" load(f, "\\a", "\\c") " .endm\n"                                  \
  " cpcc_pair r0, r4\n cpcc_pair r1, r5\n cpcc_pair r2, r6\n cpcc_pair r3, r7\n .purgem cpcc_pair\n"
#define STORE(a, c) " ssat " a ", #8, " a "\n ssat " c ", #8, " c "\n strb.w " c ", [r10, r11]\n strb " a ", [r10], #1\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_depthwise_twin_run, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_depthwise_twin_run\n.type cpcc_depthwise_twin_run, %function\n.thumb_func\n"
    "cpcc_depthwise_twin_run:\n"
    " push {r4-r11, lr}\n sub sp, #52\n ldr lr, [r2]\n ldr r2, [r2, #4]\n"
    " ldm.w r3, {r4, r5, r6, r7, r8, r9, r10, r11}\n ldr r12, [r3, #48]\n add r3, r1, r6\n mov r6, r2\n add r2, sp, #16\n"
    " stm.w r2, {r4, r5, r6, r7, r8, r9, r10, r11, r12}\n strd r0, r1, [sp]\n str r3, [sp, #8]\n"
    "1: ldr r10, [sp]\n ldr r9, [sp, #24]\n ldrd r11, r12, [sp, #28]\n str r11, [sp, #12]\n ldr r11, [sp, #16]\n add r11, r10\n"
    " add.w r8, r10, #4\n str r8, [sp]\n"
    " ldmia.w r9!, {r0, r1, r2, r3}\n str r9, [sp, #24]\n mov r4, r0\n mov r5, r1\n mov r6, r2\n mov r7, r3\n"
    "2: ldr pc, [sp, #40]\n"
    " .rept 12\n" CHANNEL("r0", "r4", "0") CHANNEL("r1", "r5", "1") CHANNEL("r2", "r6", "2") CHANNEL("r3", "r7", "3")
    " add.w r10, r10, r12\n add.w r11, r11, r12\n .endr\n"
    ".global cpcc_depthwise_twin_end\ncpcc_depthwise_twin_end:\n"
    " ldr r8, [sp, #36]\n ldr r9, [sp, #12]\n add r10, r8\n add r11, r8\n subs.w r9, r9, #1\n str r9, [sp, #12]\n bne.w 2b\n"
    " ldr r11, [sp, #24]\n ldr pc, [sp, #48]\n"
    LABEL("tflite") SWAP ALL(THRICE, ROUND_TFLITE) " b.w 4f\n"
    LABEL("relu") SWAP ALL(THRICE, ROUND_RELU) "4: mov r11, lr\n ldr lr, [sp, #12]\n b.w 5f\n"
    LABEL("once") " ldr r10, [sp, #44]\n" ALL(ONCE, ROUND)
    "5: str r11, [sp, #24]\n ldr r10, [sp, #4]\n ldr r11, [sp, #20]\n"
    STORE("r0", "r4") STORE("r1", "r5") STORE("r2", "r6") STORE("r3", "r7")
    " ldr r8, [sp, #8]\n str r10, [sp, #4]\n cmp r10, r8\n bne.w 1b\n"
    " add sp, #52\n pop {r4-r11, pc}\n"
    ".size cpcc_depthwise_twin_run, . - cpcc_depthwise_twin_run\n.text\n");

static uint32_t entry(int32_t taps) { return ((uint32_t)cpcc_depthwise_twin_end - 88u * (uint32_t)taps) | 1u; }

static uint32_t epilogue(int32_t rounding) {
  return (uint32_t)(rounding == CPCC_ONCE     ? cpcc_depthwise_twin_once
                    : rounding == CPCC_TFLITE ? cpcc_depthwise_twin_tflite
                                              : cpcc_depthwise_twin_relu) | 1u;
}
#else
static uint32_t epilogue(int32_t rounding) { return 0u * (uint32_t)rounding; }

#if defined(__ARM_ARCH_6M__)
extern const uint8_t cpcc_depthwise_lanes_end[];
void cpcc_depthwise_lanes(const int8_t *x, const int8_t *w, int32_t *sums, const cpcc_twin_t *job);

/* Eighteen instructions for four products.
 *   r0: inputs   r1: weights   r2 r5 r6 r7: 0 to 3, since signed bytes are loaded by index   r3 r4: weight, input
 *   r8-r11: sums   r12: bytes between taps   lr: entry   stack: sums, runs left, skip */
#define LANE(i, a) " ldrsb r3, [r1, " i "]\n ldrsb r4, [r0, " i "]\n muls r3, r4, r3\n add " a ", r3\n"
__asm__(
    ".syntax unified\n.section .text.cpcc_depthwise_lanes, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_depthwise_lanes\n.type cpcc_depthwise_lanes, %function\n.thumb_func\n"
    "cpcc_depthwise_lanes:\n"
    " push {r4-r7, lr}\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
    " ldr r4, [r3, #24]\n mov lr, r4\n ldr r4, [r3, #12]\n ldr r5, [r3, #16]\n mov r12, r5\n ldr r5, [r3, #20]\n"
    " push {r2, r4, r5}\n ldmia r2!, {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
    " movs r2, #0\n movs r5, #1\n movs r6, #2\n movs r7, #3\n"
    "1: bx lr\n"
    " .rept 12\n" LANE("r2", "r8") LANE("r5", "r9") LANE("r6", "r10") LANE("r7", "r11") " add r0, r12\n adds r1, #4\n .endr\n"
    ".global cpcc_depthwise_lanes_end\ncpcc_depthwise_lanes_end:\n"
    " ldr r3, [sp, #8]\n add r0, r3\n ldr r3, [sp, #4]\n subs r3, #1\n str r3, [sp, #4]\n beq 2f\n b 1b\n"
    "2: pop {r0, r1, r2}\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n stmia r0!, {r4-r7}\n"
    " pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n"
    ".size cpcc_depthwise_lanes, . - cpcc_depthwise_lanes\n.text\n");

static uint32_t entry(int32_t taps) { return ((uint32_t)cpcc_depthwise_lanes_end - 36u * (uint32_t)taps) | 1u; }
#else
static uint32_t entry(int32_t taps) { return 0u * (uint32_t)taps; }

static void cpcc_depthwise_lanes(const int8_t *x, const int8_t *w, int32_t *sums, const cpcc_twin_t *job) {
  for (int32_t run = 0; run < job->runs; run++, x += job->skip) {
    for (int32_t tap = 0; tap < job->taps; tap++, x += job->tap, w += 4) {
      for (int32_t i = 0; i < 4; i++) {
        sums[i] += w[i] * x[i];
      }
    }
  }
}
#endif

/* Four channels of one pixel: `x` its window. */
CPCC_INLINE void pixel(const int8_t *x, int8_t *y, const int8_t *weights, const int32_t *constants, const cpcc_twin_t *job) {
  int32_t sums[4] = {constants[0], constants[1], constants[2], constants[3]};
  cpcc_depthwise_lanes(x, weights, sums, job);
  for (int32_t i = 0; i < 4; i++) {
    sums[i] = cpcc_row_a(job->rounding, sums[i]);
  }
  const cpcc_round_row_t row = {1, cpcc_channel_words(job->rounding), job->zero_point, job->rounding};
  cpcc_round_row(sums, sums + 4, constants + 4, y, &row);
}

static void cpcc_depthwise_twin_run(const int8_t *x, int8_t *y, const cpcc_twin_groups_t *groups, const cpcc_twin_t *job) {
  const int8_t *weights = (const int8_t *)groups->weights;
  const int32_t *constants = groups->constants;
  for (int32_t c = 0; c < job->channels; c += 4) {
    pixel(x + c, y + c, weights, constants, job);
    if (job->next_y != 0) {
      pixel(x + c + job->next, y + c + job->next_y, weights, constants, job);
    }
    weights += 4 * job->runs * job->taps;
    constants += 4 * (1 + cpcc_channel_words(job->rounding));
  }
}
#endif

void cpcc_depthwise_twin(const cpcc_depthwise_twin_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const cpcc_twin_t job = {.runs = layer->runs, .taps = layer->taps, .entry = entry(layer->taps),
                           .zero_point = layer->zero_point, .rounding = layer->rounding, .epilogue = epilogue(layer->rounding)};
  const cpcc_twin_groups_t first = {layer->weights, layer->constants};
  const int32_t words = 4 * (1 + cpcc_channel_words(layer->rounding));
  cpcc_twin_rows(cpcc_depthwise_twin_run, window, layer->kernel_h, job, first, words, x, y, scratch);
  cpcc_saturate(y, window->out_h * window->out_w * window->channels, layer->low, layer->high);
}
