#include "cpcc_linear_rows8.h"

#include "cpcc_round_row.h"
#include "cpcc_saturate.h"

/* In the assembly's order. */
typedef struct {
  const int32_t *x, *x_end;
  uint32_t entry; /* into the unrolled steps */
  uint32_t epilogue;
  int32_t zero_point;
  const int8_t *weights;
  int32_t rounding;
} rows_t;

#if defined(__ARM_ARCH) && __ARM_ARCH_ISA_THUMB == 2
#define BODY 16 /* steps that the assembly unrolls */
extern const uint8_t cpcc_linear_rows8_end[], cpcc_linear_rows8_once[], cpcc_linear_rows8_tflite[];
extern const uint8_t cpcc_linear_rows8_tflite_relu[];
void cpcc_linear_rows8_run(const rows_t *job, const int32_t *constants, int8_t *y, int8_t *y_end);

/* Thirty-three instructions for sixteen products.
 *   r0-r7: sums   r8 r9: inputs   r10: weight   r11: end of the inputs   r12: next input   lr: weights
 *   stack: output, end of the output, x, end of x, entry, epilogue, zero point, constants, weights */
#define MLA(a, x) " ldrsb r10, [lr], #1\n mla " a ", r10, " x ", " a "\n"
/* By the assembler, since C99 promises literals of 4,095 characters only. */
#define EIGHT(f) " .irp a, r0, r1, r2, r3, r4, r5, r6, r7\n" f("\\a") " .endr\n"
#define FIRST(a) MLA(a, "r8")
#define SECOND(a) MLA(a, "r9")
#define ROUND(a) " ldr r8, [r11], #4\n smull r9, " a ", " a ", r8\n lsls.w r9, r9, #1\n adc " a ", " a ", r10\n"
#define CONSTANTS " ldmia.w lr!, {r8, r9, r10}\n"
#define ROUND_TFLITE(a)                                                                       \
  CONSTANTS " smull r11, r12, " a ", r8\n lsls.w r11, r11, #1\n adc r12, r12, r9\n"            \
  " add.w " a ", r12, " a ", asr #31\n asr.w " a ", " a ", r10\n"
#define ROUND_RELU(a) \
  CONSTANTS " smull r11, " a ", " a ", r8\n lsls.w r11, r11, #1\n adc " a ", " a ", r9\n asr.w " a ", " a ", r10\n"
#define SWAP " str lr, [sp, #32]\n ldr lr, [sp, #28]\n"
#define LABEL(name) " .p2align 1\n.global cpcc_linear_rows8_" name "\ncpcc_linear_rows8_" name ":\n"
#define STORE(a) " ssat " a ", #8, " a "\n strb " a ", [r8], #1\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_linear_rows8_run, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_linear_rows8_run\n.type cpcc_linear_rows8_run, %function\n.thumb_func\n"
    "cpcc_linear_rows8_run:\n"
    " push {r4-r11, lr}\n ldm r0, {r4, r5, r6, r7, r8, lr}\n mov r9, r1\n sub sp, #36\n mov r10, sp\n"
    " stm.w r10, {r2, r3, r4, r5, r6, r7, r8, r9}\n"
    "1: ldr r12, [sp, #28]\n ldmia.w r12!, {r0, r1, r2, r3, r4, r5, r6, r7}\n str r12, [sp, #28]\n"
    " ldrd r12, r11, [sp, #8]\n ldr pc, [sp, #16]\n"
    "2:\n .rept 16\n ldrd r8, r9, [r12], #8\n" EIGHT(FIRST) EIGHT(SECOND) " .endr\n"
    ".global cpcc_linear_rows8_end\ncpcc_linear_rows8_end:\n"
    " cmp r12, r11\n bne.w 2b\n ldr pc, [sp, #20]\n"
    LABEL("tflite") SWAP EIGHT(ROUND_TFLITE) " b.w 4f\n"
    LABEL("tflite_relu") SWAP EIGHT(ROUND_RELU) "4: mov r11, lr\n ldr lr, [sp, #32]\n b.w 5f\n"
    LABEL("once") " ldrd r10, r11, [sp, #24]\n" EIGHT(ROUND)
    "5: str r11, [sp, #28]\n ldrd r8, r9, [sp]\n" EIGHT(STORE) " str r8, [sp]\n cmp r8, r9\n bne.w 1b\n"
    " add sp, #36\n pop {r4-r11, pc}\n"
    ".size cpcc_linear_rows8_run, . - cpcc_linear_rows8_run\n.text\n");

static uint32_t entry(int32_t steps) {
  return ((uint32_t)cpcc_linear_rows8_end - 132u * (uint32_t)((steps - 1) % BODY + 1)) | 1u;
}

static uint32_t epilogue(int32_t rounding) {
  return (uint32_t)(rounding == CPCC_ONCE     ? cpcc_linear_rows8_once
                    : rounding == CPCC_TFLITE ? cpcc_linear_rows8_tflite
                                              : cpcc_linear_rows8_tflite_relu) | 1u;
}
#else
static uint32_t epilogue(int32_t rounding) { return 0u * (uint32_t)rounding; }
static uint32_t entry(int32_t steps) { return 0u * (uint32_t)steps; }

#if defined(__ARM_ARCH_6M__)
void cpcc_linear_rows8_half(const int32_t *x, const int32_t *x_end, const int8_t *w, int32_t *sums);

/* Thirty instructions for eight products.
 *   r0: next input   r1: weights   r2 r5 r6 r7: 0 to 3, since signed bytes are loaded by index   r3 r4: weight, input
 *   r8-r11: sums   r12: end of the inputs   lr: where sums are kept */
#define ROW(i, a) " ldrsb r3, [r1, " i "]\n muls r3, r4, r3\n add " a ", r3\n"
#define STEP " ldmia r0!, {r4}\n" ROW("r2", "r8") ROW("r5", "r9") ROW("r6", "r10") ROW("r7", "r11") " adds r1, #8\n"
__asm__(
    ".syntax unified\n.section .text.cpcc_linear_rows8_half, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_linear_rows8_half\n.type cpcc_linear_rows8_half, %function\n.thumb_func\n"
    "cpcc_linear_rows8_half:\n"
    " push {r4-r7, lr}\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n push {r4-r7}\n"
    " mov lr, r3\n ldmia r3!, {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n"
    " mov r12, r1\n mov r1, r2\n movs r2, #0\n movs r5, #1\n movs r6, #2\n movs r7, #3\n"
    "1:" STEP STEP " cmp r0, r12\n bne 1b\n"
    " mov r0, lr\n mov r4, r8\n mov r5, r9\n mov r6, r10\n mov r7, r11\n stmia r0!, {r4-r7}\n"
    " pop {r4-r7}\n mov r8, r4\n mov r9, r5\n mov r10, r6\n mov r11, r7\n pop {r4-r7, pc}\n"
    ".size cpcc_linear_rows8_half, . - cpcc_linear_rows8_half\n.text\n");
#else
/* Adds the products of the first four of eight rows. */
static void cpcc_linear_rows8_half(const int32_t *x, const int32_t *x_end, const int8_t *w, int32_t *sums) {
  for (; x != x_end; x++, w += 8) {
    for (int32_t i = 0; i < 4; i++) {
      sums[i] += w[i] * *x;
    }
  }
}
#endif

static void cpcc_linear_rows8_run(const rows_t *job, const int32_t *constants, int8_t *y, int8_t *y_end) {
  const cpcc_round_row_t row = {1, cpcc_channel_words(job->rounding), job->zero_point, job->rounding};
  const int8_t *w = job->weights;
  for (; y != y_end; y += 8, w += 8 * (job->x_end - job->x), constants += 8 * (1 + row.constants)) {
    int32_t sums[8];
    for (int32_t i = 0; i < 8; i++) {
      sums[i] = constants[i];
    }
    cpcc_linear_rows8_half(job->x, job->x_end, w, sums);
    cpcc_linear_rows8_half(job->x, job->x_end, w + 4, sums + 4);
    cpcc_round_row(sums, sums + 8, constants + 8, y, &row);
  }
}
#endif

/* Inputs times what the rounding wants (see cpcc_rounding.h), an even number of them. */
static int32_t *widen(int32_t *d, const int8_t *x, int32_t count, int32_t rounding) {
  const int32_t gain = rounding == CPCC_ONCE ? 1 : 2;
  for (; count >= 4; count -= 4, x += 4, d += 4) {
    d[0] = gain * x[0];
    d[1] = gain * x[1];
    d[2] = gain * x[2];
    d[3] = gain * x[3];
  }
  for (; count > 0; count -= 2, x += 2, d += 2) {
    d[0] = gain * x[0];
    d[1] = count > 1 ? gain * x[1] : 0;
  }
  return d;
}

void cpcc_linear_rows8(const cpcc_linear_rows8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  int32_t *wide = (int32_t *)(void *)scratch;
  const int32_t whole = layer->out_features / 8 * 8, steps = (layer->in_features + 1) / 2;
  int8_t last[8];
  const int32_t *end = widen(wide, x, layer->in_features, layer->rounding);
  rows_t job = {wide, end, entry(steps), epilogue(layer->rounding), layer->zero_point, layer->weights, layer->rounding};
  if (whole > 0) {
    cpcc_linear_rows8_run(&job, layer->constants, y, y + whole);
  }
  if (whole < layer->out_features) {
    job.weights += 2 * whole * steps;
    cpcc_linear_rows8_run(&job, layer->constants + whole * (1 + cpcc_channel_words(layer->rounding)), last, last + 8);
    for (int32_t i = whole; i < layer->out_features; i++) {
      y[i] = last[i - whole];
    }
  }
  cpcc_saturate(y, layer->out_features, layer->low, layer->high);
}
