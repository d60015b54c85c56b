#include "cpcc_depthwise_stride2.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"

enum { RECORD = 8, WEIGHTS = 5 }; /* words: two columns of each of four channels; a channel's weights */

/* Two input rows of four channels each, two columns at a time: where a row is padding it has a step of 0. */
typedef struct {
  const int8_t *p, *q;
  int32_t p_step, q_step; /* bytes between columns */
  uint32_t *to, *end;
} pairs_t;

/* One output row of four channels. */
typedef struct {
  int32_t bias, multiplier, offset, shift; /*  0: of the channel; the zero point stands in for the offset */
  int32_t step, three_steps;               /* 16: bytes between outputs */
  int8_t *y;                               /* 24: of the channel */
  const uint32_t *upper, *lower;           /* 28: the words of its two pairs of rows */
  int32_t fours, rest;                     /* 36: outputs that go four by four and one by one; less one, times 2^16 */
  uint32_t epilogue, alone_epilogue;       /* 44 */
  int32_t rounding;                        /* 52 */
  const int32_t *constants;                /* 56 */
  const int32_t *stream, *stream_end;      /* 60 */
} row_t;

#if CPCC_DSP
extern const uint8_t cpcc_stride2_once[], cpcc_stride2_tflite[], cpcc_stride2_relu[];
extern const uint8_t cpcc_stride2_alone_once[], cpcc_stride2_alone_tflite[], cpcc_stride2_alone_relu[];
void cpcc_stride2_row(const row_t *row);
void cpcc_stride2_pairs(const pairs_t *job);

/* Four outputs in 53 instructions. Assembly, because both compilers spill here.
 *   r0-r3: sums   r4-r6: weights of two rows   r7: of the third   r8: its last, above it the outputs left less one
 *   r9: output   r10 r11: words of the upper and the lower pair of rows   r12 lr: inputs   stack: a row_t, then one word */
#define PAIR(from, at) "ldrd r12, lr, [" from ", #" at "]\n "
#define UPPER(a, from) "smlad " a ", r12, r4, " from "\n smlad " a ", lr, r5, " a "\n "
#define UPPER_LAST(a) "smlad " a ", r12, r6, " a "\n "
#define LOWER(a) "smlabb " a ", r12, r7, " a "\n smlabt " a ", lr, r7, " a "\n "
#define LOWER_LAST(a, x) "smlabb " a ", " x ", r8, " a "\n "
#define SATURATE(a) "ssat " a ", #8, " a "\n "
#define ROUND(a) "smmlar " a ", " a ", r12, lr\n "
#define ROUND_TFLITE(a) "smmlar r11, " a ", r12, lr\n add " a ", r11, " a ", asr #31\n "
#define SHIFT(a) "asr.w " a ", " a ", r12\n "
#define FOUR(f) f("r0") f("r1") f("r2") f("r3")
#define ONE(f) f("r0")
#define ONCE(some) "ldrd r12, lr, [sp, #4]\n " some(ROUND)
#define TFLITE(some) \
  "str r11, [sp, #68]\n ldrd r12, lr, [sp, #4]\n " some(ROUND_TFLITE) "ldr r12, [sp, #12]\n ldr r11, [sp, #68]\n " some(SHIFT)
#define RELU(some) ONCE(some) "ldr r12, [sp, #12]\n " some(SHIFT)
#define LABEL(name) " .p2align 1\n.global cpcc_stride2_" name "\ncpcc_stride2_" name ":\n "

__asm__(
    ".syntax unified\n.section .text.cpcc_stride2_row, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_stride2_row\n.type cpcc_stride2_row, %function\n.thumb_func\n"
    "cpcc_stride2_row:\n"
    " push {r4-r11, lr}\n sub sp, #72\n mov r12, sp\n"
    " ldm r0!, {r4-r11}\n stm r12!, {r4-r11}\n ldm r0, {r3-r11}\n stm r12, {r3-r11}\n"
    "1: ldrd r2, lr, [sp, #56]\n ldm.w lr!, {r4, r5, r6, r7, r8}\n ldrd r0, r1, [r2], #8\n strd r0, r1, [sp]\n"
    " ldr r0, [sp, #52]\n cbz r0, 2f\n ldrd r0, r1, [r2], #8\n strd r0, r1, [sp, #8]\n"
    "2: strd r2, lr, [sp, #56]\n add r0, sp, #24\n ldm.w r0, {r9, r10, r11}\n add r1, r9, #1\n add r2, r10, #8\n add r3, r11, #8\n"
    " stm r0!, {r1, r2, r3}\n ldr r0, [sp, #36]\n cmp r0, #0\n blt.w 7f\n orr r8, r8, r0\n"
    "4: ldr r3, [sp]\n "
    PAIR("r10", "0") UPPER("r0", "r3") PAIR("r10", "32") UPPER_LAST("r0") UPPER("r1", "r3")
    PAIR("r10", "64") UPPER_LAST("r1") UPPER("r2", "r3") PAIR("r10", "96") UPPER_LAST("r2") UPPER("r3", "r3")
    "ldr r12, [r10, #128]!\n ldr lr, [r11, #128]!\n " UPPER_LAST("r3") LOWER_LAST("r3", "lr")
    PAIR("r11", "-128") LOWER("r0") PAIR("r11", "-96") LOWER_LAST("r0", "r12") LOWER("r1")
    PAIR("r11", "-64") LOWER_LAST("r1", "r12") LOWER("r2") PAIR("r11", "-32") LOWER_LAST("r2", "r12") LOWER("r3")
    "ldr.w pc, [sp, #44]\n"
    LABEL("tflite") TFLITE(FOUR) "b 5f\n"
    LABEL("relu") RELU(FOUR) "b 5f\n"
    LABEL("once") ONCE(FOUR)
    "\n5: " FOUR(SATURATE) "ldrd r12, lr, [sp, #16]\n"
    " strb r0, [r9]\n strb r1, [r9, r12]\n strb.w r2, [r9, r12, lsl #1]\n strb r3, [r9, lr]\n add.w r9, r9, r12, lsl #2\n"
    " subs.w r8, r8, #65536\n bpl.w 4b\n uxth r8, r8\n"
    "7: ldr r0, [sp, #40]\n cmp r0, #0\n blt.n 9f\n orr r8, r8, r0\n"
    "8: ldr r0, [sp]\n " PAIR("r10", "0") UPPER("r0", "r0") PAIR("r11", "0") LOWER("r0")
    "ldr r12, [r10, #32]!\n ldr lr, [r11, #32]!\n " UPPER_LAST("r0") LOWER_LAST("r0", "lr") "ldr.w pc, [sp, #48]\n"
    LABEL("alone_tflite") TFLITE(ONE) "b 6f\n"
    LABEL("alone_relu") RELU(ONE) "b 6f\n"
    LABEL("alone_once") ONCE(ONE)
    "\n6: " ONE(SATURATE) "ldr r12, [sp, #16]\n strb r0, [r9]\n add r9, r12\n subs.w r8, r8, #65536\n bpl.n 8b\n"
    "9: ldrd r0, r1, [sp, #60]\n cmp r0, r1\n bne.w 1b\n add sp, #72\n pop {r4-r11, pc}\n"
    ".size cpcc_stride2_row, . - cpcc_stride2_row\n.text\n");

/* Twenty-nine instructions for eight words.   r0 r1: inputs   r2 r3: their steps   r4: words   r5-r8: inputs   stack: end */
__asm__(
    ".syntax unified\n.section .text.cpcc_stride2_pairs, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_stride2_pairs\n.type cpcc_stride2_pairs, %function\n.thumb_func\n"
    "cpcc_stride2_pairs:\n"
    " push {r4-r11, lr}\n ldm.w r0, {r0, r1, r2, r3, r4, r5}\n push {r5}\n"
    "1: ldr.w r5, [r0]\n ldr.w r7, [r0, r2]\n ldr.w r6, [r1]\n ldr.w r8, [r1, r3]\n"
    " add.w r0, r0, r2, lsl #1\n add.w r1, r1, r3, lsl #1\n"
    " sxtb16 r9, r5\n sxtb16 r10, r6\n sxtb16 r11, r7\n sxtb16 r12, r8\n"
    " pkhbt lr, r9, r10, lsl #16\n pkhtb r10, r10, r9, asr #16\n"
    " pkhbt r9, r11, r12, lsl #16\n pkhtb r11, r12, r11, asr #16\n strd r10, r11, [r4, #16]\n"
    " sxtb16 r5, r5, ror #8\n sxtb16 r6, r6, ror #8\n sxtb16 r7, r7, ror #8\n sxtb16 r8, r8, ror #8\n"
    " pkhbt r10, r5, r6, lsl #16\n pkhtb r5, r6, r5, asr #16\n"
    " pkhbt r11, r7, r8, lsl #16\n pkhtb r7, r8, r7, asr #16\n"
    " strd r10, r11, [r4, #8]\n strd r5, r7, [r4, #24]\n strd lr, r9, [r4], #32\n"
    " ldr r5, [sp]\n cmp r4, r5\n bne.n 1b\n add sp, #4\n pop {r4-r11, pc}\n"
    ".size cpcc_stride2_pairs, . - cpcc_stride2_pairs\n.text\n");

static uint32_t code(const uint8_t *label) { return (uint32_t)label | 1u; }

static void choose_epilogues(row_t *row) {
  const uint8_t *const epilogues[] = {cpcc_stride2_once, cpcc_stride2_tflite, cpcc_stride2_relu};
  const uint8_t *const alone[] = {cpcc_stride2_alone_once, cpcc_stride2_alone_tflite, cpcc_stride2_alone_relu};
  row->epilogue = code(epilogues[row->rounding]);
  row->alone_epilogue = code(alone[row->rounding]);
}
#else
static void record(uint32_t *d, uint32_t p, uint32_t q, uint32_t next_p, uint32_t next_q);

static void cpcc_stride2_pairs(const pairs_t *job) {
  const int8_t *p = job->p, *q = job->q;
  for (uint32_t *d = job->to; d != job->end; d += RECORD, p += 2 * job->p_step, q += 2 * job->q_step) {
    record(d, cpcc_load4(p), cpcc_load4(q), cpcc_load4(p + job->p_step), cpcc_load4(q + job->q_step));
  }
}

static void choose_epilogues(row_t *row) { row->epilogue = row->alone_epilogue = 0; }

static void cpcc_stride2_row(const row_t *row) {
  const int32_t words = 1 + cpcc_channel_words(row->rounding), outputs = 4 * (row->fours / 65536 + 1) + row->rest / 65536 + 1;
  for (int32_t i = 0; i < 4 * outputs; i++) {
    const int32_t c = i % 4, column = i / 4;
    const int32_t *w = row->stream + c * WEIGHTS, *constants = row->constants + c * words;
    const uint32_t *u = row->upper + column * RECORD + 2 * c, *v = row->lower + column * RECORD + 2 * c;
    int32_t sum = cpcc_smlad(u[0], (uint32_t)w[0], constants[0]);
    sum = cpcc_smlad(u[RECORD], (uint32_t)w[2], cpcc_smlad(u[1], (uint32_t)w[1], sum));
    sum = cpcc_smlabb(v[1], (uint32_t)w[3] >> 16, cpcc_smlabb(v[0], (uint32_t)w[3], sum));
    sum = cpcc_smlabb(v[RECORD], (uint32_t)w[4], sum);
    row->y[column * row->step + c] = cpcc_round(row->rounding, constants + 1, row->offset, sum);
  }
}
#endif

/* Two rows of a column, and of the next one. */
static void record(uint32_t *d, uint32_t p, uint32_t q, uint32_t next_p, uint32_t next_q) {
  const uint32_t p02 = cpcc_sxtb16(p), p13 = cpcc_sxtb16_high(p), q02 = cpcc_sxtb16(q), q13 = cpcc_sxtb16_high(q);
  d[0] = cpcc_pack_low(p02, q02);
  d[2] = cpcc_pack_low(p13, q13);
  d[4] = cpcc_pack_high(p02, q02);
  d[6] = cpcc_pack_high(p13, q13);
  const uint32_t r02 = cpcc_sxtb16(next_p), r13 = cpcc_sxtb16_high(next_p), s02 = cpcc_sxtb16(next_q), s13 = cpcc_sxtb16_high(next_q);
  d[1] = cpcc_pack_low(r02, s02);
  d[3] = cpcc_pack_low(r13, s13);
  d[5] = cpcc_pack_high(r02, s02);
  d[7] = cpcc_pack_high(r13, s13);
}

/* Padding where both columns are padding, which no row changes. */
static void fill_borders(const cpcc_window_t *window, uint32_t *d) {
  const uint32_t word = 0x00010001u * (uint16_t)window->pad_value;
  for (int32_t i = 0; i <= window->out_w; i++, d += RECORD) {
    const int32_t outside = 2 * i + 1 < window->left || 2 * i >= window->left + window->in_w;
    for (int32_t k = 0; k < RECORD && outside; k++) {
      d[k] = word;
    }
  }
}

/* Input rows `row` and `row` + 1 of four channels. */
static void pair_rows(const cpcc_window_t *window, const int8_t *x, int32_t row, uint32_t *to, const uint32_t *border) {
  const int32_t channels = window->channels, width = window->in_w * channels, behind = window->left + window->in_w;
  const int32_t p_in = row >= 0 && row < window->in_h, q_in = row >= -1 && row + 1 < window->in_h;
  const int8_t *p = p_in ? x + row * width : (const int8_t *)border, *q = q_in ? x + (row + 1) * width : (const int8_t *)border;
  const int32_t p_step = p_in ? channels : 0, q_step = q_in ? channels : 0;
  const int32_t odd = window->left % 2, first = (window->left + 1) / 2, end = cpcc_min(behind / 2, window->out_w + 1);
  if (odd && first - 1 <= window->out_w) {
    record(to + (first - 1) * RECORD, *border, *border, cpcc_load4(p), cpcc_load4(q));
  }
  if (first < end) {
    const pairs_t job = {p + odd * p_step, q + odd * q_step, p_step, q_step, to + first * RECORD, to + end * RECORD};
    cpcc_stride2_pairs(&job);
  }
  if (behind % 2 != 0 && behind / 2 <= window->out_w) {
    const int8_t *last_p = p + (window->in_w - 1) * p_step, *last_q = q + (window->in_w - 1) * q_step;
    record(to + behind / 2 * RECORD, cpcc_load4(last_p), cpcc_load4(last_q), *border, *border);
  }
}

static row_t begin(const cpcc_depthwise_stride2_t *layer) {
  const cpcc_window_t *window = &layer->window;
  row_t row;
  row.bias = row.multiplier = row.shift = 0;
  row.offset = layer->zero_point;
  row.step = window->channels;
  row.three_steps = 3 * window->channels;
  row.fours = (window->out_w / 4 - 1) * 65536;
  row.rest = (window->out_w % 4 - 1) * 65536;
  row.rounding = layer->rounding;
  choose_epilogues(&row);
  return row;
}

void cpcc_depthwise_stride2(const cpcc_depthwise_stride2_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t channels = window->channels, words = 4 * (1 + cpcc_channel_words(layer->rounding));
  const int32_t row_words = (window->out_w + 1) * RECORD, row_bytes = window->out_w * channels;
  const uint32_t border = 0x01010101u * (uint8_t)window->pad_value;
  uint32_t *upper = (uint32_t *)(void *)scratch, *lower = upper + row_words;
  row_t job = begin(layer);
  job.constants = layer->constants;
  job.stream_end = layer->stream;
  fill_borders(window, upper);
  fill_borders(window, lower);
  for (int32_t at = 0; at < channels; at += 4, job.constants += words) {
    const int32_t first = cpcc_min(at, channels - 4);
    const int32_t *stream = job.stream_end;
    job.stream_end = stream + 4 * WEIGHTS;
    pair_rows(window, x + first, -window->top, upper, &border);
    for (int32_t oy = 0; oy < window->out_h; oy++) {
      pair_rows(window, x + first, 2 * (oy + 1) - window->top, lower, &border);
      job.stream = stream;
      job.upper = upper;
      job.lower = lower;
      job.y = y + oy * row_bytes + first;
      cpcc_stride2_row(&job);
      upper = lower;
      lower = (uint32_t *)job.upper;
    }
  }
  cpcc_saturate(y, window->out_h * row_bytes, layer->low, layer->high);
}
