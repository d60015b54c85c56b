#include "cpcc_depthwise_column.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"

enum { STEPS = 15, STEP_BYTES = 24 }; /* unrolled, behind the first step */

/* Two inputs of four channels each, where padding has a step of 0, and where their words go. */
typedef struct {
  const int8_t *p, *q;
  int32_t p_step, q_step;
  uint32_t *to, *end; /* of the first channel */
  int32_t next;       /* bytes to the next channel's word */
} pairs_t;

#if CPCC_DSP
/* What the assembly keeps on its stack, behind the channel's multiplier, up to pitch; the offsets are in its text. Behind that is the
 * end of the channel's outputs in fours. */
typedef struct {
  int32_t offset, shift;         /*  4: of the channel; the zero point, and 0, where there is one rounding */
  uint32_t epilogue, full, tail; /* 12: now; of four outputs; of the last ones, 0 if there are none */
  int32_t rewind, three;         /* 24: from behind a block's inputs to the next block's; bytes of three outputs */
  int32_t left;                  /* 32: outputs in the tail */
  uint32_t pairs, y;             /* 36: of the channel */
  int32_t fours, next, words;    /* 44: bytes of outputs in fours; of a channel's pairs; of its weights */
  uint32_t y_last;               /* 56: behind the last channel's */
  uint32_t constants, stream;    /* 60: of the next channel; of the channel */
  int32_t pitch;
  uint32_t entry;
} frame_t;

extern const uint8_t cpcc_column_end[];
extern const uint8_t cpcc_column_once[], cpcc_column_tflite[], cpcc_column_relu[];
extern const uint8_t cpcc_column_tail_once[], cpcc_column_tail_tflite[], cpcc_column_tail_relu[];
void cpcc_column_run(const frame_t *frame);
void cpcc_column_pairs(const pairs_t *job);

/* Six instructions for eight products.
 *   r0-r3: sums   r4 r5: E and O   r6 r7: pairs   r8: inputs   r9: weights   r10: pitch   r11: output   r12: entry   lr: bias */
#define STEP(s0, s1, s2, s3)                                                                                      \
  " ldrd r4, r5, [r9], #8\n ldrd r6, r7, [r8], #4\n smlad r0, r6, r4, " s0 "\n smlad r1, r6, r5, " s1 "\n"         \
  " smlad r2, r7, r4, " s2 "\n smlad r3, r7, r5, " s3 "\n"
#define FOUR(f) f("r0") f("r1") f("r2") f("r3")
#define ROUND(a) " smmlar " a ", " a ", r4, r5\n"
#define ONCE " ldrd r4, r5, [sp]\n" FOUR(ROUND)
#define CONSTANTS " ldm.w sp, {r4, r5, r6}\n"
#define ROUND_TFLITE(a) " smmlar r7, " a ", r4, r5\n add.w " a ", r7, " a ", asr #31\n asr.w " a ", " a ", r6\n"
#define TFLITE CONSTANTS FOUR(ROUND_TFLITE)
#define ROUND_RELU(a) ROUND(a) " asr.w " a ", " a ", r6\n"
#define RELU CONSTANTS FOUR(ROUND_RELU)
#define SATURATE(a) " ssat " a ", #8, " a "\n"
#define LABEL(name) " .p2align 1\n.global cpcc_column_" name "\ncpcc_column_" name ":\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_column_run, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_column_run\n.type cpcc_column_run, %function\n.thumb_func\n"
    "cpcc_column_run:\n"
    " push {r4-r11, lr}\n sub sp, #72\n add r1, sp, #4\n"
    " ldm r0!, {r4-r11}\n stm r1!, {r4-r11}\n ldm r0!, {r4-r11}\n stm r1!, {r4-r11}\n ldrd r10, r12, [r0]\n"
    "1: ldrd r4, r9, [sp, #60]\n ldrd lr, r5, [r4], #8\n str r5, [sp]\n ldr r5, [sp, #8]\n cbz r5, 7f\n"
    " ldrd r5, r6, [r4], #8\n strd r5, r6, [sp, #4]\n"
    "7: str r4, [sp, #60]\n ldrd r8, r11, [sp, #36]\n"
    " ldr r4, [sp, #44]\n add.w r5, r11, r4\n str r5, [sp, #68]\n ldr r5, [sp, #16]\n str r5, [sp, #12]\n cmp r4, #0\n beq.w 4f\n"
    "2:" STEP("lr", "lr", "lr", "lr")
    " bx r12\n"
    " .rept 15\n" STEP("r0", "r1", "r2", "r3") " .endr\n"
    LABEL("end") " ldr.w pc, [sp, #12]\n"
    LABEL("tflite") TFLITE " b.n 3f\n"
    LABEL("relu") RELU " b.n 3f\n"
    LABEL("once") ONCE
    " .p2align 1\n3:" FOUR(SATURATE)
    " ldrd r4, r5, [sp, #24]\n strb.w r0, [r11]\n strb.w r1, [r11, r10]\n strb.w r2, [r11, r10, lsl #1]\n strb.w r3, [r11, r5]\n"
    " add.w r11, r11, r10, lsl #2\n add r8, r4\n ldrd r9, r4, [sp, #64]\n cmp r11, r4\n bne.w 2b\n"
    "4: ldr r4, [sp, #20]\n cmp r4, #0\n beq.n 6f\n str r4, [sp, #12]\n b.w 2b\n"
    LABEL("tail_tflite") TFLITE " b.n 5f\n"
    LABEL("tail_relu") RELU " b.n 5f\n"
    LABEL("tail_once") ONCE
    " .p2align 1\n5:" FOUR(SATURATE)
    " strb.w r0, [r11]\n ldr r4, [sp, #32]\n cmp r4, #2\n blt.n 6f\n strb.w r1, [r11, r10]\n beq.n 6f\n"
    " strb.w r2, [r11, r10, lsl #1]\n"
    "6: ldr r4, [sp, #64]\n ldrd r5, r6, [sp, #48]\n add r4, r6\n str r4, [sp, #64]\n ldrd r4, r6, [sp, #36]\n"
    " add r4, r5\n adds r6, #1\n strd r4, r6, [sp, #36]\n ldr r5, [sp, #56]\n cmp r6, r5\n bne.w 1b\n"
    " add sp, #72\n pop {r4-r11, pc}\n"
    ".size cpcc_column_run, . - cpcc_column_run\n.text\n");

/* Eighteen instructions for four words.   r4 r5: inputs   r6 r7: their steps   r0: words   r1: end   r2 r3 lr: next channels */
__asm__(
    ".syntax unified\n.section .text.cpcc_column_pairs, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_column_pairs\n.type cpcc_column_pairs, %function\n.thumb_func\n"
    "cpcc_column_pairs:\n"
    " push {r4-r11, lr}\n ldm.w r0, {r4, r5, r6, r7, r8, r9, r10}\n mov r0, r8\n mov r1, r9\n"
    " subs.w r2, r10, #4\n add r3, r2, r10\n add.w lr, r3, r10\n"
    "1: ldr.w r8, [r4]\n add r4, r6\n ldr.w r9, [r5]\n add r5, r7\n"
    " sxtb16 r10, r8\n sxtb16 r11, r9\n sxtb16 r8, r8, ror #8\n sxtb16 r9, r9, ror #8\n"
    " pkhbt r12, r10, r11, lsl #16\n pkhtb r11, r11, r10, asr #16\n"
    " pkhbt r10, r8, r9, lsl #16\n pkhtb r9, r9, r8, asr #16\n"
    " str.w r12, [r0], #4\n str.w r10, [r0, r2]\n str.w r11, [r0, r3]\n str.w r9, [r0, lr]\n"
    " cmp r0, r1\n bne.n 1b\n pop {r4-r11, pc}\n"
    ".size cpcc_column_pairs, . - cpcc_column_pairs\n.text\n");

static uint32_t code(const uint8_t *label) { return (uint32_t)label | 1u; }

/* What is the same for all channels. */
static frame_t frame_of(const cpcc_depthwise_column_t *layer, const uint32_t *pairs) {
  const uint8_t *const full[] = {cpcc_column_once, cpcc_column_tflite, cpcc_column_relu};
  const uint8_t *const tail[] = {cpcc_column_tail_once, cpcc_column_tail_tflite, cpcc_column_tail_relu};
  const int32_t fours = layer->outputs / 4;
  const frame_t frame = {
      .full = code(full[layer->rounding]),
      .tail = layer->outputs % 4 != 0 ? code(tail[layer->rounding]) : 0,
      .offset = layer->zero_point,
      .shift = layer->rounding, /* until the first channel's, which is no more 0 than this: shifts are at least 1 */
      .rewind = 8 - 4 * layer->steps,
      .three = 3 * layer->pitch,
      .left = layer->outputs % 4,
      .pairs = (uint32_t)pairs,
      .fours = 4 * fours * layer->pitch,
      .next = 4 * layer->pairs,
      .words = 8 * layer->steps,
      .pitch = layer->pitch,
      .entry = code(cpcc_column_end) - (uint32_t)(STEP_BYTES * (layer->steps - 1)),
  };
  return frame;
}

/* All outputs of four channels. */
static void four_channels(frame_t *frame, int8_t *y, const int32_t *stream, const int32_t *constants) {
  frame->constants = (uint32_t)constants;
  frame->stream = (uint32_t)stream;
  frame->y = (uint32_t)y;
  frame->y_last = (uint32_t)y + 4u;
  cpcc_column_run(frame);
}
#else
typedef struct {
  const cpcc_depthwise_column_t *layer;
  const uint32_t *pairs;
} frame_t;

static frame_t frame_of(const cpcc_depthwise_column_t *layer, const uint32_t *pairs) {
  const frame_t frame = {layer, pairs};
  return frame;
}

static void cpcc_column_pairs(const pairs_t *job) {
  const int8_t *p = job->p, *q = job->q;
  for (uint32_t *d = job->to; d != job->end; d++, p += job->p_step, q += job->q_step) {
    const uint32_t a = cpcc_load4(p), b = cpcc_load4(q);
    const uint32_t a02 = cpcc_sxtb16(a), a13 = cpcc_sxtb16_high(a), b02 = cpcc_sxtb16(b), b13 = cpcc_sxtb16_high(b);
    d[0] = cpcc_pack_low(a02, b02);
    d[job->next / 4] = cpcc_pack_low(a13, b13);
    d[job->next / 2] = cpcc_pack_high(a02, b02);
    d[3 * job->next / 4] = cpcc_pack_high(a13, b13);
  }
}

/* Up to four outputs of a channel. */
static void block(const cpcc_depthwise_column_t *layer, const uint32_t *pairs, int8_t *y, const int32_t *stream,
                  const int32_t *constants, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    int32_t sum = constants[0];
    for (int32_t k = 0; k < layer->steps; k++) {
      sum = cpcc_smlad(pairs[i / 2 + k], (uint32_t)stream[2 * k + i % 2], sum);
    }
    y[i * layer->pitch] = cpcc_round(layer->rounding, constants + 1, layer->zero_point, sum);
  }
}

static void four_channels(const frame_t *frame, int8_t *y, const int32_t *stream, const int32_t *constants) {
  const cpcc_depthwise_column_t *layer = frame->layer;
  const uint32_t *pairs = frame->pairs;
  const int32_t words = 1 + cpcc_channel_words(layer->rounding);
  for (int32_t c = 0; c < 4; c++, pairs += layer->pairs, stream += 2 * layer->steps, constants += words) {
    for (int32_t i = 0; i < layer->outputs; i += 4) {
      block(layer, pairs + i / 2, y + c + i * layer->pitch, stream, constants, cpcc_min(4, layer->outputs - i));
    }
  }
}
#endif

/* The pairs of four channels of a line. Only those at its ends meet padding. */
static void load(const cpcc_depthwise_column_t *layer, const int8_t *x, uint32_t *pairs, const int8_t *border) {
  const int32_t pitch = layer->pitch;
  int32_t done;
  for (int32_t i = 0; i < layer->pairs; i += done) {
    const int32_t at = 2 * i - layer->before;
    const int32_t p = at >= 0 && at < layer->inputs, q = at >= -1 && at + 1 < layer->inputs;
    done = p && q ? (layer->inputs - at) / 2 : 1;
    done = cpcc_min(done, layer->pairs - i);
    const pairs_t job = {p ? x + at * pitch : border, q ? x + (at + 1) * pitch : border, p ? 2 * pitch : 0, q ? 2 * pitch : 0,
                         pairs + i, pairs + i + done, 4 * layer->pairs};
    cpcc_column_pairs(&job);
  }
}

void cpcc_depthwise_column(const cpcc_depthwise_column_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const int32_t channels = layer->channels, words = 4 * (1 + cpcc_channel_words(layer->rounding));
  const uint32_t border = 0x01010101u * (uint8_t)layer->pad_value;
  uint32_t *pairs = (uint32_t *)(void *)scratch;
  frame_t frame = frame_of(layer, pairs);
  for (int32_t i = 0; i < layer->lines; i++) {
    const int32_t *stream = layer->stream, *constants = layer->constants;
    for (int32_t at = 0; at < channels; at += 4, stream += 8 * layer->steps, constants += words) {
      const int32_t first = cpcc_min(at, channels - 4);
      load(layer, x + i * layer->line + first, pairs, (const int8_t *)&border);
      four_channels(&frame, y + i * layer->out_line + first, stream, constants);
    }
  }
  cpcc_saturate(y, layer->lines * layer->outputs * channels, layer->low, layer->high);
}
