#include "cpcc_depthwise_quad.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"
#include "cpcc_strip.h"

/* In the assembly's order. */
typedef struct {
  int32_t zero_point;
  int32_t runs;
  uint32_t epilogue;
  int32_t next;      /* bytes from behind the taps of four channels to those of the next four */
  int32_t channels;  /* a multiple of 4 */
  int32_t tap, skip; /* bytes between taps; from the end of one run to the start of the next */
  const int32_t *constants;
  uint32_t entry;    /* into the unrolled taps */
} pixel_t;

#if CPCC_DSP
extern const uint8_t cpcc_depthwise_quad_end[], cpcc_depthwise_quad_once[];
extern const uint8_t cpcc_depthwise_quad_tflite[], cpcc_depthwise_quad_tflite_relu[];
const int32_t *cpcc_depthwise_quad_pixel(const int8_t *x, int8_t *y, const int32_t *stream, const pixel_t *job);

/* Nine instructions for four products.
 *   r0-r3: sums   r4 r5: inputs   r6 r7: weights   r8: input   r9: bytes between taps   r10: skip   r11: runs left
 *   r12: entry   lr: stream   stack: zero point, constants, runs, epilogue, from x to y, next, end of x
 * Behind the taps r8 stays: the next input, and by it the output, lie a distance away that is one for all channels. */
#define SATURATE " ssat r0, #8, r0\n ssat r1, #8, r1\n ssat r2, #8, r2\n ssat r3, #8, r3\n"
#define TFLITE(a) \
  " ldmia.w r11!, {r4, r5, r6}\n smmlar r7, " a ", r4, r5\n add " a ", r7, " a ", asr #31\n asr.w " a ", " a ", r6\n"
#define TFLITE_RELU(a) " ldmia.w r11!, {r4, r5, r6}\n smmlar " a ", " a ", r4, r5\n asr.w " a ", " a ", r6\n"
#define FOUR(f) " ldr r11, [sp, #4]\n" f("r0") f("r1") f("r2") f("r3")
#define LABEL(name) " .p2align 1\n.global cpcc_depthwise_quad_" name "\ncpcc_depthwise_quad_" name ":\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_depthwise_quad_pixel, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_depthwise_quad_pixel\n.type cpcc_depthwise_quad_pixel, %function\n.thumb_func\n"
    "cpcc_depthwise_quad_pixel:\n"
    " push {r4-r11, lr}\n mov r8, r0\n mov lr, r2\n ldm.w r3, {r0, r3, r4, r6, r7, r9, r10, r11, r12}\n"
    " sub.w r5, r1, r8\n add r7, r8\n push {r0, r2-r7}\n"
    "1: ldmia.w r11!, {r0, r1, r2, r3}\n str.w r11, [sp, #4]\n ldr.w r11, [sp, #8]\n"
    "2: bx r12\n"
    " .rept 12\n ldr.w r4, [r8]\n add.w r8, r8, r9\n ldrd r6, r7, [lr], #8\n sxtb16 r5, r4, ror #8\n sxtb16 r4, r4\n"
    " smlabb r0, r4, r6, r0\n smlabb r1, r5, r7, r1\n smlatt r2, r4, r6, r2\n smlatt r3, r5, r7, r3\n .endr\n"
    LABEL("end")
    " add r8, r10\n subs.w r11, r11, #1\n bne.w 2b\n ldr.w pc, [sp, #12]\n"
    LABEL("tflite") FOUR(TFLITE) " b.n 3f\n"
    LABEL("tflite_relu") FOUR(TFLITE_RELU) " b.n 3f\n"
    LABEL("once") " ldrd r7, r11, [sp]\n ldmia.w r11!, {r4, r5, r6}\n"
    " smmlar r0, r0, r4, r7\n smmlar r1, r1, r5, r7\n smmlar r2, r2, r6, r7\n ldr.w r4, [r11], #4\n smmlar r3, r3, r4, r7\n"
    " .p2align 1\n3:" SATURATE " ldrd r4, r5, [sp, #16]\n ldr r6, [sp, #24]\n add r8, r5\n add r4, r8\n"
    " strb r0, [r4, #-4]\n strb r1, [r4, #-3]\n strb r2, [r4, #-2]\n strb r3, [r4, #-1]\n cmp r8, r6\n bne.w 1b\n"
    " mov r0, lr\n add sp, #28\n pop {r4-r11, pc}\n"
    ".size cpcc_depthwise_quad_pixel, . - cpcc_depthwise_quad_pixel\n.text\n");

static uint32_t code(const uint8_t *label) { return (uint32_t)label | 1u; }

static pixel_t job_of(const cpcc_depthwise_quad_t *layer, int32_t tap, int32_t skip) {
  const uint32_t epilogue = code(layer->rounding == CPCC_ONCE     ? cpcc_depthwise_quad_once
                                 : layer->rounding == CPCC_TFLITE ? cpcc_depthwise_quad_tflite
                                                                  : cpcc_depthwise_quad_tflite_relu);
  const uint32_t entry = code(cpcc_depthwise_quad_end) - 36u * (uint32_t)layer->taps;
  const int32_t next = 4 - layer->runs * (layer->taps * tap + skip);
  const pixel_t job = {.zero_point = layer->zero_point, .runs = layer->runs, .epilogue = epilogue, .next = next,
                       .channels = layer->window.channels / 4 * 4, .tap = tap, .skip = skip, .constants = layer->constants,
                       .entry = entry};
  return job;
}

static const int32_t *pixel(const cpcc_depthwise_quad_t *layer, const int8_t *x, int8_t *y, const int32_t *stream,
                            const pixel_t *job) {
  (void)layer;
  return cpcc_depthwise_quad_pixel(x, y, stream, job);
}
#else
static pixel_t job_of(const cpcc_depthwise_quad_t *layer, int32_t tap, int32_t skip) {
  const pixel_t job = {.zero_point = layer->zero_point, .runs = layer->runs, .channels = layer->window.channels / 4 * 4,
                       .tap = tap, .skip = skip, .constants = layer->constants};
  return job;
}

/* Four channels of one pixel, begun with their biases. */
static const int32_t *dot(const cpcc_depthwise_quad_t *layer, const int8_t *x, const int32_t *stream,
                          const pixel_t *job, int32_t *sums) {
  for (int32_t run = 0; run < job->runs; run++, x += job->skip) {
    for (int32_t tap = 0; tap < layer->taps; tap++, x += job->tap, stream += 2) {
      const uint32_t word = cpcc_load4(x), even = cpcc_sxtb16(word), odd = cpcc_sxtb16_high(word);
      const uint32_t w0 = (uint32_t)stream[0], w1 = (uint32_t)stream[1];
      sums[0] = cpcc_smlabb(even, w0, sums[0]);
      sums[1] = cpcc_smlabb(odd, w1, sums[1]);
      sums[2] = cpcc_smlatt(even, w0, sums[2]);
      sums[3] = cpcc_smlatt(odd, w1, sums[3]);
    }
  }
  return stream;
}

static const int32_t *pixel(const cpcc_depthwise_quad_t *layer, const int8_t *x, int8_t *y, const int32_t *stream,
                            const pixel_t *job) {
  const int32_t *constants = job->constants;
  for (int32_t c = 0; c < job->channels; c += 4) {
    int32_t sums[4] = {constants[0], constants[1], constants[2], constants[3]};
    stream = dot(layer, x + c, stream, job, sums);
    constants += 4;
    for (int32_t i = 0; i < 4; i++, constants += cpcc_channel_words(layer->rounding)) {
      y[c + i] = cpcc_round(layer->rounding, constants, job->zero_point, sums[i]);
    }
  }
  return stream;
}
#endif

void cpcc_depthwise_quad(const cpcc_depthwise_quad_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t channels = window->channels, step = window->stride_w * channels;
  const cpcc_strip_t strip = cpcc_strip(window, x, scratch, layer->kernel_h, 1);
  const int32_t tap = layer->runs == 1 && layer->kernel_h > 1 ? strip.pitch : channels;
  const pixel_t job = job_of(layer, tap, strip.pitch - layer->taps * tap);
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
