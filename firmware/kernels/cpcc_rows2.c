#include "cpcc_rows2.h"

#include "cpcc_rounding.h"

#if CPCC_DSP
/* What the assembly keeps on its stack; the offsets are in its text. */
typedef struct {
  int32_t bias, multiplier, offset, shift; /*  0: of the channel; the zero point stands in for the offset */
  int32_t step, row;                       /* 16 */
  uint32_t even_end;                       /* 24: address behind the columns that go in twos */
  int32_t even_bytes;                      /* 28 */
  uint32_t pairs, y;                       /* 32: of the channel */
  uint32_t constants, stream, stream_end;  /* 40 */
  int32_t odd;                             /* 52: a last column alone */
  uint32_t epilogue, odd_epilogue;         /* 56 */
  int32_t rounding;                        /* 64 */
  int32_t pair_skip, y_skip;               /* 68: from the end of a strip's twos to the next strip */
  uint32_t strips_end;                     /* 76 */
  int32_t strips_bytes;                    /* 80 */
} frame_t;

extern const uint8_t cpcc_rows2_once[], cpcc_rows2_tflite[], cpcc_rows2_tflite_relu[];
extern const uint8_t cpcc_rows2_odd_once[], cpcc_rows2_odd_tflite[], cpcc_rows2_odd_tflite_relu[];
void cpcc_rows2_run(const frame_t *frame);

/* Two columns at a time in all fourteen registers. Assembly, because both compilers spill here.
 *   r0 r1: upper and lower output of the first column   r2 r3: of the second   r4-r6: A   r7-r9: B
 *   r10: 96 bytes behind the next column   r11: output   r12 lr: upper and lower pair
 *   stack: a frame_t, then one word */
#define UPPER(s, a, b, from) "smlad " s ", r12, " a ", " from "\n smlabt " s ", lr, " b ", " s "\n "
#define LOWER(t, a, b, from) "smlatb " t ", r12, " a ", " from "\n smlad " t ", lr, " b ", " t "\n "
#define BOTH(s, t, a, b) UPPER(s, a, b, s) LOWER(t, a, b, t)
#define COLUMN(at) "ldrd r12, lr, [r10, #" at "]\n "
#define SATURATE(a) "ssat " a ", #8, " a "\n "
#define ROUND(a) "smmlar " a ", " a ", r12, lr\n "
#define ROUND_TFLITE(a) "smmlar r11, " a ", r12, lr\n add " a ", r11, " a ", asr #31\n "
#define SHIFT(a) "asr.w " a ", " a ", r12\n "
#define FOUR(f) f("r0") f("r1") f("r2") f("r3")
#define TWO(f) f("r0") f("r1")
#define ONCE(some) "ldrd r12, lr, [sp, #4]\n " some(ROUND)
#define TFLITE(some) \
  "str r11, [sp, #84]\n ldrd r12, lr, [sp, #4]\n " some(ROUND_TFLITE) "ldr r12, [sp, #12]\n ldr r11, [sp, #84]\n " some(SHIFT)
#define TFLITE_RELU(some) ONCE(some) "ldr r12, [sp, #12]\n " some(SHIFT)
#define LABEL(name) " .p2align 1\n.global cpcc_rows2_" name "\ncpcc_rows2_" name ":\n "

__asm__(
    ".syntax unified\n.section .text.cpcc_rows2_run, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_rows2_run\n.type cpcc_rows2_run, %function\n.thumb_func\n"
    "cpcc_rows2_run:\n"
    " push {r4-r11, lr}\n sub sp, #88\n mov r12, sp\n"
    " ldm r0!, {r4-r11}\n stm r12!, {r4-r11}\n ldm r0!, {r4-r11}\n stm r12!, {r4-r11}\n ldm r0, {r4-r8}\n stm r12, {r4-r8}\n"
    "1: ldrd r2, lr, [sp, #40]\n ldm.w lr!, {r4, r5, r6, r7, r8, r9}\n ldrd r0, r1, [r2], #8\n strd r0, r1, [sp]\n"
    " ldr r0, [sp, #64]\n cbz r0, 2f\n ldrd r0, r1, [r2], #8\n strd r0, r1, [sp, #8]\n"
    "2: strd r2, lr, [sp, #40]\n ldrd r10, r11, [sp, #32]\n add r0, r10, #8\n add r1, r11, #1\n strd r0, r1, [sp, #32]\n"
    " ldr r0, [sp, #80]\n add r0, r0, r10\n str r0, [sp, #76]\n"
    "3: ldr r0, [sp, #28]\n cmp r0, #0\n beq.w 6f\n add r0, r0, r10\n str r0, [sp, #24]\n"
    "4: ldr r2, [sp]\n " COLUMN("-96") UPPER("r0", "r4", "r7", "r2") LOWER("r1", "r4", "r7", "r2")
    COLUMN("-64") BOTH("r0", "r1", "r5", "r8") LOWER("r3", "r4", "r7", "r2") UPPER("r2", "r4", "r7", "r2")
    COLUMN("-32") BOTH("r0", "r1", "r6", "r9") BOTH("r2", "r3", "r5", "r8")
    "ldrd r12, lr, [r10], #64\n " BOTH("r2", "r3", "r6", "r9")
    "ldr.w pc, [sp, #56]\n"
    LABEL("tflite") TFLITE(FOUR) "b 5f\n"
    LABEL("tflite_relu") TFLITE_RELU(FOUR) "b 5f\n"
    LABEL("once") ONCE(FOUR)
    "\n5: " FOUR(SATURATE) "ldrd r12, lr, [sp, #16]\n"
    " strb r1, [r11, lr]\n strb r0, [r11]\n add r11, r12\n strb r3, [r11, lr]\n strb r2, [r11]\n add r11, r12\n"
    " ldr r0, [sp, #24]\n cmp r10, r0\n bne.w 4b\n"
    "6: ldr r0, [sp, #52]\n cmp r0, #0\n beq.w 8f\n"
    " ldr r2, [sp]\n " COLUMN("-96") UPPER("r0", "r4", "r7", "r2") LOWER("r1", "r4", "r7", "r2")
    COLUMN("-64") BOTH("r0", "r1", "r5", "r8") COLUMN("-32") BOTH("r0", "r1", "r6", "r9")
    "ldr.w pc, [sp, #60]\n"
    LABEL("odd_tflite") TFLITE(TWO) "b 7f\n"
    LABEL("odd_tflite_relu") TFLITE_RELU(TWO) "b 7f\n"
    LABEL("odd_once") ONCE(TWO)
    "\n7: " TWO(SATURATE) "ldr lr, [sp, #20]\n strb r1, [r11, lr]\n strb r0, [r11]\n"
    "8: ldrd r0, r1, [sp, #68]\n add r10, r0\n add r11, r1\n ldr r0, [sp, #76]\n cmp r10, r0\n bne.w 3b\n"
    " ldrd r0, r1, [sp, #44]\n cmp r0, r1\n bne.w 1b\n"
    " add sp, #88\n pop {r4-r11, pc}\n"
    ".size cpcc_rows2_run, . - cpcc_rows2_run\n.text\n");

static uint32_t code(const uint8_t *label) { return (uint32_t)label | 1u; }

void cpcc_rows2(const uint32_t *pairs, int8_t *y, const int32_t *stream, const cpcc_rows2_t *job) {
  const int32_t twos = job->columns / 2, pitch = 4 * CPCC_COLUMN_WORDS * (job->columns + 2);
  const uint8_t *const epilogues[] = {cpcc_rows2_once, cpcc_rows2_tflite, cpcc_rows2_tflite_relu};
  const uint8_t *const odd_epilogues[] = {cpcc_rows2_odd_once, cpcc_rows2_odd_tflite, cpcc_rows2_odd_tflite_relu};
  const frame_t frame = {
      .offset = job->zero_point,
      .step = job->step,
      .row = job->row,
      .even_bytes = 64 * twos,
      .pairs = (uint32_t)pairs + 96u,
      .y = (uint32_t)y,
      .constants = (uint32_t)job->constants,
      .stream = (uint32_t)stream,
      .stream_end = (uint32_t)(stream + 4 * CPCC_ROWS2_WEIGHTS),
      .odd = job->columns % 2,
      .epilogue = code(epilogues[job->rounding]),
      .odd_epilogue = code(odd_epilogues[job->rounding]),
      .rounding = job->rounding,
      .pair_skip = pitch - 64 * twos,
      .y_skip = 2 * job->row - 2 * twos * job->step,
      .strips_bytes = job->strips * pitch,
  };
  cpcc_rows2_run(&frame);
}

/* Twenty-four instructions for four words that are stored twice. */
__asm__(
    ".syntax unified\n.section .text.cpcc_pair_columns, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_pair_columns\n.type cpcc_pair_columns, %function\n.thumb_func\n"
    "cpcc_pair_columns:\n"
    " push {r4-r11, lr}\n ldm r0, {r4, r5, r6, r7}\n"
    "1: ldr.w r8, [r4]\n add r4, r6\n ldr.w r9, [r5]\n add r5, r7\n"
    " sxtb16 r10, r8\n sxtb16 r11, r9\n sxtb16 r8, r8, ror #8\n sxtb16 r9, r9, ror #8\n"
    " pkhbt r12, r10, r11, lsl #16\n pkhtb r11, r11, r10, asr #16\n"
    " pkhbt r10, r8, r9, lsl #16\n pkhtb r9, r9, r8, asr #16\n"
    " str.w r12, [r2, #0]\n str.w r10, [r2, #8]\n str.w r11, [r2, #16]\n str.w r9, [r2, #24]\n add r2, #32\n"
    " str.w r10, [r1, #12]\n str.w r11, [r1, #20]\n str.w r9, [r1, #28]\n str.w r12, [r1, #4]\n add r1, #32\n"
    " subs r3, #1\n bne 1b\n pop {r4-r11, pc}\n"
    ".size cpcc_pair_columns, . - cpcc_pair_columns\n.text\n");
#else
/* a.low * b.high, as SMLABT. */
static int32_t crossed(uint32_t a, uint32_t b, int32_t sum) { return cpcc_smlabb(a, b >> 16, sum); }

static void strip(const uint32_t *pairs, int8_t *y, const int32_t *stream, const int32_t *constants, const cpcc_rows2_t *job) {
  for (int32_t i = 0; i < job->columns; i++) {
    int32_t upper = constants[0], lower = upper;
    for (int32_t k = 0; k < 3; k++) {
      const uint32_t *p = pairs + (i + k) * CPCC_COLUMN_WORDS;
      const uint32_t a = (uint32_t)stream[k], b = (uint32_t)stream[3 + k];
      upper = crossed(p[1], b, cpcc_smlad(p[0], a, upper));
      lower = cpcc_smlad(p[1], b, crossed(a, p[0], lower));
    }
    y[i * job->step + job->row] = cpcc_round(job->rounding, constants + 1, job->zero_point, lower);
    y[i * job->step] = cpcc_round(job->rounding, constants + 1, job->zero_point, upper);
  }
}

void cpcc_rows2(const uint32_t *pairs, int8_t *y, const int32_t *stream, const cpcc_rows2_t *job) {
  const int32_t pitch = CPCC_COLUMN_WORDS * (job->columns + 2);
  const int32_t *constants = job->constants;
  for (int32_t c = 0; c < 4; c++, stream += CPCC_ROWS2_WEIGHTS, constants += 1 + cpcc_channel_words(job->rounding)) {
    for (int32_t i = 0; i < job->strips; i++) {
      strip(pairs + i * pitch + 2 * c, y + c + 2 * i * job->row, stream, constants, job);
    }
  }
}

void cpcc_pair_columns(const cpcc_row_pair_t *rows, uint32_t *lower, uint32_t *upper, int32_t columns) {
  const int8_t *p = rows->p, *q = rows->q;
  for (; columns > 0; columns--, p += rows->p_step, q += rows->q_step) {
    const uint32_t a = cpcc_load4(p), b = cpcc_load4(q);
    const uint32_t a02 = cpcc_sxtb16(a), a13 = cpcc_sxtb16_high(a), b02 = cpcc_sxtb16(b), b13 = cpcc_sxtb16_high(b);
    upper[0] = lower[1] = cpcc_pack_low(a02, b02);
    upper[2] = lower[3] = cpcc_pack_low(a13, b13);
    upper[4] = lower[5] = cpcc_pack_high(a02, b02);
    upper[6] = lower[7] = cpcc_pack_high(a13, b13);
    upper += CPCC_COLUMN_WORDS;
    lower += CPCC_COLUMN_WORDS;
  }
}
#endif
