#include "cpcc_depthwise_tall.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"

/* Words of a channel in a column, of a column, and of a channel's weights. A strip's first pair lies its distance from the last
 * whole strip's end before word WHOLE; a last strip of one row is there. */
enum { CHANNEL = 16, COLUMN = 64, WEIGHTS = 6, WHOLE = 14 };

/* Two input rows of four channels each, `rows` times: where padding has steps of 0. */
typedef struct {
  const int8_t *p, *q;
  int32_t p_step, q_step; /* bytes between columns */
  uint32_t *to, *end;     /* of the first row's words, and behind the last one's */
  int32_t width, skip;    /* columns; bytes from behind a row to the next one but one */
} pairs_t;

/* Four input rows of four channels at a time, none of them padding. */
typedef struct {
  const int8_t *x;
  int32_t row, step;    /* bytes between rows and columns */
  uint32_t *to, *end;   /* of the first rows' words, and behind the last ones' */
  int32_t column_bytes; /* of all columns' words */
} quads_t;

/* Weights and constants of four channels. */
typedef struct {
  const int32_t *stream, *constants;
} four_t;

#if CPCC_DSP
/* What the assembly keeps on its stack; the offsets are in its text. */
typedef struct {
  int32_t bias, multiplier, offset, shift; /*  0: of the channel; the zero point stands in for the offset */
  int32_t step, row;                       /* 16: bytes between outputs; between rows, 0 in a last strip of one row */
  int32_t turn;                            /* 24: what makes one `row` the other, 0 where there is no such strip */
  int32_t spare;                           /* 28 */
  uint32_t next_x, next_y, x_end;          /* 32: of the next two columns; where a last one alone begins */
  int32_t alone;                           /* 44: whether there is one */
  uint32_t epilogue, alone_epilogue;       /* 48 */
  int32_t rounding;                        /* 56 */
  uint32_t constants, stream, stream_end;  /* 60 */
  uint32_t x, y;                           /* 72: of the channel, x three columns on */
  int32_t two_steps, twos;                 /* 80: of outputs; bytes of the pairs of two columns */
} frame_t;

extern const uint8_t cpcc_tall_once[], cpcc_tall_tflite[], cpcc_tall_relu[];
extern const uint8_t cpcc_tall_alone_once[], cpcc_tall_alone_tflite[], cpcc_tall_alone_relu[];
void cpcc_tall_run(const frame_t *frame);
void cpcc_tall_pairs(const pairs_t *job);
void cpcc_tall_quads(const quads_t *job);

/* Two columns of a strip in 48 instructions. Bits 3 to 5 of its place are 0 behind the last whole strip, and behind one row more.
 *   r0 r1: upper and lower output of the first column   r2 r3: of the second   r4-r6: A   r7-r9: B
 *   r10: place in the last column   r11: output   r12 lr: upper and lower pair */
#define UPPER(s, a, b, from) "smlad " s ", r12, " a ", " from "\n smlabt " s ", lr, " b ", " s "\n "
#define LOWER(t, a, b, from) "smlatb " t ", r12, " a ", " from "\n smlad " t ", lr, " b ", " t "\n "
#define BOTH(s, t, a, b) UPPER(s, a, b, s) LOWER(t, a, b, t)
#define AT(distance) "ldrd r12, lr, [r10, #" distance "]\n "
#define LAST "ldrd r12, lr, [r10], #4\n "
#define SATURATE(a) "ssat " a ", #8, " a "\n "
#define ROUND(a) "smmlar " a ", " a ", r12, lr\n "
#define ROUND_TFLITE(a) "smmlar r11, " a ", r12, lr\n add " a ", r11, " a ", asr #31\n "
#define SHIFT(a) "asr.w " a ", " a ", r12\n "
#define FOUR(f) f("r0") f("r1") f("r2") f("r3")
#define TWO(f) f("r0") f("r1")
#define ONCE(some) "ldrd r12, lr, [sp, #4]\n " some(ROUND)
#define TFLITE(some) \
  "str r11, [sp, #28]\n ldrd r12, lr, [sp, #4]\n " some(ROUND_TFLITE) "ldr r12, [sp, #12]\n ldr r11, [sp, #28]\n " some(SHIFT)
#define RELU(some) ONCE(some) "ldr r12, [sp, #12]\n " some(SHIFT)
#define LABEL(name) " .p2align 1\n.global cpcc_tall_" name "\ncpcc_tall_" name ":\n "
/* Once more from `body` for a last strip of one row, whose lower output the upper one overwrites. */
#define ONE_ROW(body) \
  " tst r10, #56\n bne.w " body "\n ldrd r0, r1, [sp, #20]\n eors r0, r1\n str r0, [sp, #20]\n beq.w " body "\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_tall_run, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_tall_run\n.type cpcc_tall_run, %function\n.thumb_func\n"
    "cpcc_tall_run:\n"
    " push {r4-r11, lr}\n sub sp, #88\n mov r12, sp\n"
    " ldm r0!, {r4-r11}\n stm r12!, {r4-r11}\n ldm r0!, {r4-r11}\n stm r12!, {r4-r11}\n ldm r0, {r4-r9}\n stm r12, {r4-r9}\n"
    "1: ldrd r2, lr, [sp, #60]\n ldm.w lr!, {r4, r5, r6, r7, r8, r9}\n ldrd r0, r1, [r2], #8\n strd r0, r1, [sp]\n"
    " ldr r0, [sp, #56]\n cbz r0, 2f\n ldrd r0, r1, [r2], #8\n strd r0, r1, [sp, #8]\n"
    "2: strd r2, lr, [sp, #60]\n ldrd r0, r1, [sp, #72]\n strd r0, r1, [sp, #32]\n ldr r2, [sp, #84]\n add r2, r0\n str r2, [sp, #40]\n"
    "3: ldrd r10, r11, [sp, #32]\n ldr r0, [sp, #40]\n cmp r10, r0\n beq.w 7f\n ldr r1, [sp, #80]\n add r1, r11\n"
    " add.w r0, r10, #512\n strd r0, r1, [sp, #32]\n"
    "4: ldr r2, [sp]\n " AT("-768") UPPER("r0", "r4", "r7", "r2") LOWER("r1", "r4", "r7", "r2")
    AT("-512") BOTH("r0", "r1", "r5", "r8") LOWER("r3", "r4", "r7", "r2") UPPER("r2", "r4", "r7", "r2")
    AT("-256") BOTH("r0", "r1", "r6", "r9") BOTH("r2", "r3", "r5", "r8")
    LAST BOTH("r2", "r3", "r6", "r9") "ldr.w pc, [sp, #48]\n"
    LABEL("tflite") TFLITE(FOUR) "b 5f\n"
    LABEL("relu") RELU(FOUR) "b 5f\n"
    LABEL("once") ONCE(FOUR)
    "\n5: " FOUR(SATURATE) "ldrd r12, lr, [sp, #16]\n"
    " strb r1, [r11, lr]\n strb r0, [r11]\n add.w r0, r11, r12\n strb r3, [r0, lr]\n strb r2, [r0]\n add.w r11, r11, lr, lsl #1\n"
    ONE_ROW("4b") " b.w 3b\n");
/* Compilers promise strings of 4095 characters: the rest is a statement of its own, right behind. */
__asm__(
    "7: ldr r0, [sp, #44]\n cmp r0, #0\n beq.w 9f\n sub.w r10, r10, #256\n"
    "8: ldr r2, [sp]\n " AT("-512") UPPER("r0", "r4", "r7", "r2") LOWER("r1", "r4", "r7", "r2")
    AT("-256") BOTH("r0", "r1", "r5", "r8") LAST BOTH("r0", "r1", "r6", "r9") "ldr.w pc, [sp, #52]\n"
    LABEL("alone_tflite") TFLITE(TWO) "b 5f\n"
    LABEL("alone_relu") RELU(TWO) "b 5f\n"
    LABEL("alone_once") ONCE(TWO)
    "\n5: " TWO(SATURATE) "ldr lr, [sp, #20]\n strb r1, [r11, lr]\n strb r0, [r11]\n add.w r11, r11, lr, lsl #1\n"
    ONE_ROW("8b")
    "9: ldrd r0, r1, [sp, #72]\n adds r0, #64\n adds r1, #1\n strd r0, r1, [sp, #72]\n ldrd r0, r1, [sp, #64]\n cmp r0, r1\n"
    " bne.w 1b\n add sp, #88\n pop {r4-r11, pc}\n"
    ".size cpcc_tall_run, . - cpcc_tall_run\n.text\n");

/* Nineteen instructions for four words.   r4 r5: inputs   r6 r7: their steps   r0: words   r1: of the row   r2: width
 *   r3: columns left   lr: skip   stack: end */
__asm__(
    ".syntax unified\n.section .text.cpcc_tall_pairs, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_tall_pairs\n.type cpcc_tall_pairs, %function\n.thumb_func\n"
    "cpcc_tall_pairs:\n"
    " push {r4-r11, lr}\n ldm.w r0, {r4, r5, r6, r7, r8, r9, r10, r11}\n push {r8, r9}\n mov r1, r8\n mov r2, r10\n mov lr, r11\n"
    "1: mov r0, r1\n mov r3, r2\n"
    "2: ldr.w r8, [r4]\n add r4, r6\n ldr.w r9, [r5]\n add r5, r7\n"
    " sxtb16 r10, r8\n sxtb16 r11, r9\n sxtb16 r8, r8, ror #8\n sxtb16 r9, r9, ror #8\n"
    " pkhbt r12, r10, r11, lsl #16\n pkhtb r11, r11, r10, asr #16\n"
    " pkhbt r10, r8, r9, lsl #16\n pkhtb r9, r9, r8, asr #16\n"
    " str.w r12, [r0]\n str.w r10, [r0, #64]\n str.w r11, [r0, #128]\n str.w r9, [r0, #192]\n add.w r0, r0, #256\n"
    " subs r3, #1\n bne.n 2b\n"
    " add r4, lr\n add r5, lr\n adds r1, #4\n ldr r3, [sp, #4]\n cmp r1, r3\n bne.n 1b\n add sp, #8\n pop {r4-r11, pc}\n"
    ".size cpcc_tall_pairs, . - cpcc_tall_pairs\n.text\n");

/* Twenty-eight instructions for eight words.   r0: input   r1 r2: one row and three   r3: step   r4: words   r5-r8: inputs
 *   stack: words of the rows, end of all rows', bytes of all columns, end of the rows' words */
__asm__(
    ".syntax unified\n.section .text.cpcc_tall_quads, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_tall_quads\n.type cpcc_tall_quads, %function\n.thumb_func\n"
    "cpcc_tall_quads:\n"
    " push {r4-r11, lr}\n ldm.w r0, {r0, r1, r3, r4, r5, r6}\n add r2, r1, r1, lsl #1\n add r7, r4, r6\n push {r4-r7}\n"
    "1: ldr.w r5, [r0]\n ldr.w r6, [r0, r1]\n ldr.w r7, [r0, r1, lsl #1]\n ldr.w r8, [r0, r2]\n add r0, r3\n"
    " sxtb16 r9, r5\n sxtb16 r10, r6\n sxtb16 r11, r7\n sxtb16 r12, r8\n"
    " pkhbt lr, r9, r10, lsl #16\n pkhtb r10, r10, r9, asr #16\n"
    " pkhbt r9, r11, r12, lsl #16\n pkhtb r11, r12, r11, asr #16\n strd r10, r11, [r4, #128]\n"
    " sxtb16 r5, r5, ror #8\n sxtb16 r6, r6, ror #8\n sxtb16 r7, r7, ror #8\n sxtb16 r8, r8, ror #8\n"
    " pkhbt r10, r5, r6, lsl #16\n pkhtb r5, r6, r5, asr #16\n"
    " pkhbt r11, r7, r8, lsl #16\n pkhtb r7, r8, r7, asr #16\n"
    " strd r10, r11, [r4, #64]\n strd r5, r7, [r4, #192]\n strd lr, r9, [r4], #256\n"
    " ldr r5, [sp, #12]\n cmp r4, r5\n bne.n 1b\n"
    " add r0, r2\n ldm.w sp, {r4, r5, r6}\n adds r4, #8\n add r6, r4\n str r4, [sp]\n str r6, [sp, #12]\n cmp r4, r5\n"
    " bne.n 1b\n add sp, #16\n pop {r4-r11, pc}\n"
    ".size cpcc_tall_quads, . - cpcc_tall_quads\n.text\n");

/* The first place in scratch 8 bytes behind a multiple of 64. */
static uint32_t *place(int8_t *scratch) {
  return (uint32_t *)(void *)(scratch + ((8u - (uint32_t)scratch) & 63u));
}

static uint32_t code(const uint8_t *label) { return (uint32_t)label | 1u; }

/* `rows` output rows of four channels, whose pairs begin `whole` strips before word WHOLE. */
static void multiply(const cpcc_depthwise_tall_t *layer, const uint32_t *pairs, int8_t *y, const four_t *four, int32_t rows) {
  const cpcc_window_t *window = &layer->window;
  const int32_t twos = window->out_w / 2, row = window->out_w * window->channels;
  const uint8_t *const epilogues[] = {cpcc_tall_once, cpcc_tall_tflite, cpcc_tall_relu};
  const uint8_t *const alone[] = {cpcc_tall_alone_once, cpcc_tall_alone_tflite, cpcc_tall_alone_relu};
  frame_t frame; /* field by field: the assembly fills in the others, and zeros for them would take as long as these */
  frame.offset = layer->zero_point;
  frame.step = window->channels;
  frame.row = row;
  frame.turn = rows % 2 * row;
  frame.alone = window->out_w % 2;
  frame.epilogue = code(epilogues[layer->rounding]);
  frame.alone_epilogue = code(alone[layer->rounding]);
  frame.rounding = layer->rounding;
  frame.constants = (uint32_t)four->constants;
  frame.stream = (uint32_t)four->stream;
  frame.stream_end = (uint32_t)(four->stream + 4 * WEIGHTS);
  frame.x = (uint32_t)(pairs + 3 * COLUMN + WHOLE - rows / 2);
  frame.y = (uint32_t)y;
  frame.two_steps = 2 * window->channels;
  frame.twos = 8 * COLUMN * twos;
  cpcc_tall_run(&frame);
}
#else
static uint32_t *place(int8_t *scratch) { return (uint32_t *)(void *)scratch; }

static void cpcc_tall_pairs(const pairs_t *job) {
  const int8_t *p = job->p, *q = job->q;
  for (uint32_t *row = job->to; row != job->end; row++, p += job->skip, q += job->skip) {
    uint32_t *d = row;
    for (int32_t i = 0; i < job->width; i++, d += COLUMN, p += job->p_step, q += job->q_step) {
      const uint32_t a = cpcc_load4(p), b = cpcc_load4(q);
      const uint32_t a02 = cpcc_sxtb16(a), a13 = cpcc_sxtb16_high(a), b02 = cpcc_sxtb16(b), b13 = cpcc_sxtb16_high(b);
      d[0] = cpcc_pack_low(a02, b02);
      d[CHANNEL] = cpcc_pack_low(a13, b13);
      d[2 * CHANNEL] = cpcc_pack_high(a02, b02);
      d[3 * CHANNEL] = cpcc_pack_high(a13, b13);
    }
  }
}

static void cpcc_tall_quads(const quads_t *job) {
  const int32_t width = job->column_bytes / 4 / COLUMN;
  const int8_t *x = job->x;
  for (uint32_t *to = job->to; to != job->end; to++, x += 2 * job->row) {
    const pairs_t pairs = {x, x + job->row, job->step, job->step, to, to + 1, width, 0};
    cpcc_tall_pairs(&pairs);
  }
}

/* a.low * b.high, as SMLABT. */
static int32_t crossed(uint32_t a, uint32_t b, int32_t sum) { return cpcc_smlabb(a, b >> 16, sum); }

static void multiply(const cpcc_depthwise_tall_t *layer, const uint32_t *pairs, int8_t *y, const four_t *four, int32_t rows) {
  const cpcc_window_t *window = &layer->window;
  const int32_t words = 1 + cpcc_channel_words(layer->rounding);
  for (int32_t i = 0; i < 4 * rows * window->out_w; i++) {
    const int32_t c = i % 4, row = i / 4 / window->out_w, column = i / 4 % window->out_w;
    const uint32_t *p = pairs + column * COLUMN + c * CHANNEL + WHOLE - rows / 2 + row / 2;
    const int32_t *w = four->stream + c * WEIGHTS, *constants = four->constants + c * words;
    int32_t sum = constants[0];
    for (int32_t k = 0; k < 3; k++, p += COLUMN) {
      const uint32_t a = (uint32_t)w[k], b = (uint32_t)w[3 + k];
      sum = row % 2 == 0 ? crossed(p[1], b, cpcc_smlad(p[0], a, sum)) : cpcc_smlad(p[1], b, crossed(a, p[0], sum));
    }
    y[(row * window->out_w + column) * window->channels + c] = cpcc_round(layer->rounding, constants + 1, layer->zero_point, sum);
  }
}
#endif

/* Padding in the columns before and behind the input, which no row changes. */
static void fill_borders(const cpcc_window_t *window, uint32_t *pairs) {
  const uint32_t word = 0x00010001u * (uint16_t)window->pad_value;
  for (int32_t i = 0; i < window->left * COLUMN; i++) {
    pairs[i] = word;
  }
  for (int32_t i = (window->left + window->in_w) * COLUMN; i < (window->left + window->in_w + window->right) * COLUMN; i++) {
    pairs[i] = word;
  }
}

/* `count` pairs of input rows, none of them padding. */
static int32_t load_inside(const cpcc_window_t *window, const int8_t *x, uint32_t *to, int32_t count) {
  const int32_t channels = window->channels, width = window->in_w * channels, even = count & ~1;
  if (even > 0) {
    const quads_t job = {x, width, channels, to, to + even, 4 * COLUMN * window->in_w};
    cpcc_tall_quads(&job);
  }
  if (even < count) {
    const int8_t *last = x + 2 * even * width;
    const pairs_t job = {last, last + width, channels, channels, to + even, to + count, window->in_w, width};
    cpcc_tall_pairs(&job);
  }
  return count;
}

/* A pair of input rows of which one is padding, or both. */
static int32_t load_border(const cpcc_window_t *window, const int8_t *x, uint32_t *to, int32_t row, const int8_t *border) {
  const int32_t channels = window->channels, width = window->in_w * channels;
  const int32_t p = row >= 0 && row < window->in_h, q = row >= -1 && row + 1 < window->in_h;
  const pairs_t job = {p ? x + row * width : border, q ? x + (row + 1) * width : border, p ? channels : 0, q ? channels : 0,
                       to, to + 1, window->in_w, width};
  cpcc_tall_pairs(&job);
  return 1;
}

/* `count` pairs of input rows from `row` on; without those of padding alone where they are there already. */
static void load(const cpcc_window_t *window, const int8_t *x, uint32_t *to, int32_t row, int32_t count, const int8_t *border,
                 int32_t there) {
  int32_t done;
  for (; count > 0; count -= done, to += done, row += 2 * done) {
    if (row >= 0 && row + 1 < window->in_h) {
      done = load_inside(window, x + row * window->in_w * window->channels, to, cpcc_min((window->in_h - row) / 2, count));
    } else if (there && (row < -1 || row >= window->in_h)) {
      done = 1;
    } else {
      done = load_border(window, x, to, row, border);
    }
  }
}

void cpcc_depthwise_tall(const cpcc_depthwise_tall_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t channels = window->channels, words = 4 * (1 + cpcc_channel_words(layer->rounding));
  const uint32_t border = 0x01010101u * (uint8_t)window->pad_value;
  four_t four = {layer->stream, layer->constants};
  uint32_t *pairs = place(scratch);
  fill_borders(window, pairs);
  for (int32_t at = 0; at < channels; at += 4, four.stream += 4 * WEIGHTS, four.constants += words) {
    const int32_t first = cpcc_min(at, channels - 4);
    for (int32_t oy = 0; oy < window->out_h; oy += layer->rows) {
      const int32_t rows = cpcc_min(layer->rows, window->out_h - oy), whole = rows / 2;
      uint32_t *to = pairs + window->left * COLUMN + WHOLE - whole;
      load(window, x + first, to, oy - window->top, whole + 1 + rows % 2, (const int8_t *)&border,
           at > 0 && rows == window->out_h);
      multiply(layer, pairs, y + oy * window->out_w * channels + first, &four, rows);
    }
  }
  cpcc_saturate(y, window->out_h * window->out_w * channels, layer->low, layer->high);
}
