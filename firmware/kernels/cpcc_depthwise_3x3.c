#include "cpcc_depthwise_3x3.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"
#include "cpcc_strip.h"

/* In the assembly's order. */
typedef struct {
  int32_t zero_point;
  uint32_t epilogue;
  int32_t next;        /* bytes from the last column of four channels to the first of the next four */
  int32_t channels;    /* a multiple of 4 */
  int32_t row, column; /* bytes between rows and columns of the input */
  const int32_t *constants;
} pixel_t;

#if CPCC_DSP
extern const uint8_t cpcc_depthwise_3x3_once[], cpcc_depthwise_3x3_tflite[], cpcc_depthwise_3x3_tflite_relu[];
const int32_t *cpcc_depthwise_3x3_pixel(const int8_t *x, int8_t *y, const int32_t *stream, const pixel_t *job);

/* 25 instructions for twelve products, 24 in the last column.
 *   r0-r3: sums   r4-r7 r11 r12: inputs and weights   r8: input   r9: bytes between rows   r10: between columns
 *   lr: stream   stack: zero point, constants, epilogue, from x to y, next, end of x, as in cpcc_depthwise_quad.c */
#define COLUMN(then)                                                                                            \
  " ldr.w r4, [r8]\n ldr.w r6, [r8, r9]\n sxtb16 r5, r4, ror #8\n sxtb16 r4, r4\n sxtb16 r7, r6, ror #8\n"       \
  " sxtb16 r6, r6\n pkhbt r11, r4, r6, lsl #16\n pkhtb r4, r6, r4, asr #16\n pkhbt r12, r5, r7, lsl #16\n"       \
  " pkhtb r5, r7, r5, asr #16\n ldrd r6, r7, [lr], #8\n smlad r0, r11, r6, r0\n smlad r1, r12, r7, r1\n"         \
  " ldrd r6, r7, [lr], #8\n smlad r2, r4, r6, r2\n smlad r3, r5, r7, r3\n ldr.w r4, [r8, r9, lsl #1]\n"          \
  then " ldrd r6, r7, [lr], #8\n sxtb16 r5, r4, ror #8\n sxtb16 r4, r4\n smlabb r0, r4, r6, r0\n"                \
  " smlabb r1, r5, r7, r1\n smlatt r2, r4, r6, r2\n smlatt r3, r5, r7, r3\n"
#define NEXT " add r8, r10\n"
#define TFLITE(a) \
  " ldmia.w r11!, {r4, r5, r6}\n smmlar r7, " a ", r4, r5\n add " a ", r7, " a ", asr #31\n asr.w " a ", " a ", r6\n"
#define TFLITE_RELU(a) " ldmia.w r11!, {r4, r5, r6}\n smmlar " a ", " a ", r4, r5\n asr.w " a ", " a ", r6\n"
#define FOUR(f) " ldr r11, [sp, #4]\n" f("r0") f("r1") f("r2") f("r3")
#define LABEL(name) " .p2align 1\n.global cpcc_depthwise_3x3_" name "\ncpcc_depthwise_3x3_" name ":\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_depthwise_3x3_pixel, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_depthwise_3x3_pixel\n.type cpcc_depthwise_3x3_pixel, %function\n.thumb_func\n"
    "cpcc_depthwise_3x3_pixel:\n"
    " push {r4-r11, lr}\n mov r8, r0\n mov lr, r2\n ldm.w r3, {r0, r3, r5, r6, r9, r10, r11}\n"
    " sub.w r4, r1, r8\n add r6, r8\n push {r0, r2-r6}\n"
    "1: ldmia.w r11!, {r0, r1, r2, r3}\n str.w r11, [sp, #4]\n" COLUMN(NEXT) COLUMN(NEXT) COLUMN("")
    " ldr.w pc, [sp, #8]\n"
    LABEL("tflite") FOUR(TFLITE) " b.n 3f\n"
    LABEL("once") " ldrd r12, r11, [sp]\n ldmia.w r11!, {r4, r5, r6, r7}\n"
    " smmlar r0, r0, r4, r12\n smmlar r1, r1, r5, r12\n smmlar r2, r2, r6, r12\n smmlar r3, r3, r7, r12\n b.n 3f\n"
    LABEL("tflite_relu") FOUR(TFLITE_RELU)
    " .p2align 1\n3: ssat r0, #8, r0\n ssat r1, #8, r1\n ssat r2, #8, r2\n ssat r3, #8, r3\n"
    " ldrd r4, r5, [sp, #12]\n ldr r6, [sp, #20]\n add r8, r5\n add r4, r8\n"
    " strb r0, [r4, #-4]\n strb r1, [r4, #-3]\n strb r2, [r4, #-2]\n strb r3, [r4, #-1]\n cmp r8, r6\n bne.w 1b\n"
    " mov r0, lr\n add sp, #24\n pop {r4-r11, pc}\n"
    ".size cpcc_depthwise_3x3_pixel, . - cpcc_depthwise_3x3_pixel\n.text\n");

static uint32_t epilogue(int32_t rounding) {
  return (uint32_t)(rounding == CPCC_ONCE     ? cpcc_depthwise_3x3_once
                    : rounding == CPCC_TFLITE ? cpcc_depthwise_3x3_tflite
                                              : cpcc_depthwise_3x3_tflite_relu) | 1u;
}

static const int32_t *pixel(const cpcc_depthwise_3x3_t *layer, const int8_t *x, int8_t *y, const int32_t *stream,
                            const pixel_t *job) {
  (void)layer;
  return cpcc_depthwise_3x3_pixel(x, y, stream, job);
}
#else
static uint32_t epilogue(int32_t rounding) {
  (void)rounding;
  return 0;
}

/* Four channels of one pixel in one column. */
static const int32_t *column(const int8_t *x, int32_t row, const int32_t *w, int32_t *sums) {
  const uint32_t a = cpcc_load4(x), b = cpcc_load4(x + row), c = cpcc_load4(x + 2 * row);
  const uint32_t a02 = cpcc_sxtb16(a), a13 = cpcc_sxtb16_high(a), b02 = cpcc_sxtb16(b), b13 = cpcc_sxtb16_high(b);
  const uint32_t even = cpcc_sxtb16(c), odd = cpcc_sxtb16_high(c);
  sums[0] = cpcc_smlabb(even, (uint32_t)w[4], cpcc_smlad(cpcc_pack_low(a02, b02), (uint32_t)w[0], sums[0]));
  sums[1] = cpcc_smlabb(odd, (uint32_t)w[5], cpcc_smlad(cpcc_pack_low(a13, b13), (uint32_t)w[1], sums[1]));
  sums[2] = cpcc_smlatt(even, (uint32_t)w[4], cpcc_smlad(cpcc_pack_high(a02, b02), (uint32_t)w[2], sums[2]));
  sums[3] = cpcc_smlatt(odd, (uint32_t)w[5], cpcc_smlad(cpcc_pack_high(a13, b13), (uint32_t)w[3], sums[3]));
  return w + 6;
}

static const int32_t *pixel(const cpcc_depthwise_3x3_t *layer, const int8_t *x, int8_t *y, const int32_t *stream,
                            const pixel_t *job) {
  const int32_t *constants = job->constants;
  for (int32_t c = 0; c < job->channels; c += 4) {
    int32_t sums[4] = {constants[0], constants[1], constants[2], constants[3]};
    constants += 4;
    for (int32_t i = 0; i < 3; i++) {
      stream = column(x + c + i * job->column, job->row, stream, sums);
    }
    for (int32_t i = 0; i < 4; i++, constants += cpcc_channel_words(layer->rounding)) {
      y[c + i] = cpcc_round(layer->rounding, constants, job->zero_point, sums[i]);
    }
  }
  return stream;
}
#endif

void cpcc_depthwise_3x3(const cpcc_depthwise_3x3_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t channels = window->channels, step = window->stride_w * channels;
  const cpcc_strip_t strip = cpcc_strip(window, x, scratch, 3, 1);
  const pixel_t job = {layer->zero_point, epilogue(layer->rounding), 4 - 2 * channels, channels / 4 * 4, strip.pitch, channels,
                       layer->constants};
  pixel_t last = job;
  int8_t *out = y;
  last.channels = 4;
  last.constants += channels / 4 * 4 * (1 + cpcc_channel_words(layer->rounding));
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = cpcc_strip_move(&strip, oy);
    for (int32_t ox = 0; ox < window->out_w; ox++, p += step, out += channels) {
      const int32_t *rest = pixel(layer, p, out, layer->stream, &job);
      if (channels % 4 != 0) {
        (void)pixel(layer, p + channels - 4, out + channels - 4, rest, &last);
      }
    }
  }
  cpcc_saturate(y, window->out_h * window->out_w * channels, layer->low, layer->high);
}
