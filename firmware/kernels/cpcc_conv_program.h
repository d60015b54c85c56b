#ifndef CPCC_CONV_PROGRAM_H
#define CPCC_CONV_PROGRAM_H

#include "cpcc_dsp.h"
#include "cpcc_fixed.h"
#include "cpcc_strip.h"

/* A very sparse convolution, full or depthwise, as a program of its own, written by cpcc/formats/conv_program.py, which computes one
 * output row: channel after channel, a few pixels in a loop, with the channel's weights and constants in registers. It reads its input bytes
 * where they lie. Elsewhere than on a core with the DSP extension the same program is a table, which is interpreted.
 *   r2: input   r3: output   r4: sum   r4 r5 r1: input bytes   r1: a weight for which there is no other register
 *   r6-r8: multiplier, offset, bias   r9: loops left   r10-r12 r0: two weights each   lr: stream
 *
 * C_CHANNEL            input and output are the row's first pixel
 * C_LOADn              constants and n words of weights from the stream;   C_AFFINE_LOAD   those of C_AFFINE
 * C_FIXED(value, n)    the sum is a constant, and there are n loops
 * C_LOOP ... C_NEXT(x, y)   steps repeated, then so many bytes further in input and output
 * C_X(r, at)           loads a byte of input
 * C_SET(weight)        r1 is a weight
 * C_FIRST(x, w, h)     the sum is the bias and the product of r`x` and half h of r`w`, b (bottom) or t (top)
 * C_MAC(x, w, h)       adds a product
 * C_STORE(at)          stores the sum
 * C_ROUND(at)          stores it after one rounding
 * C_TFLITE, C_RELU(shift, at)   and after TensorFlow Lite's, as cpcc_rounding.h has it; the sum is twice the accumulator
 * C_AFFINE(shift, at)  stores (multiplier * r4 + offset) >> shift, which the compiler found to be the rounded output of a
 *                      channel with one weight for every input */
#if CPCC_DSP
typedef void cpcc_conv_program_code_t(const int8_t *x, int8_t *y, const int32_t *stream);
typedef cpcc_conv_program_code_t *cpcc_conv_program_t;

#define CPCC_CONV_PROGRAM(name)                                                                          \
  __attribute__((naked, noinline)) static void name(const int8_t *x __attribute__((unused)),            \
                                                    int8_t *y __attribute__((unused)),                  \
                                                    const int32_t *stream __attribute__((unused))) {    \
    __asm__("push.w {r0, r1, r4-r11, lr}\n mov lr, r2");
#define CPCC_CONV_PROGRAM_END                 \
  __asm__("add sp, #8\n pop.w {r4-r11, pc}"); \
  }
#define C_CHANNEL __asm__("ldrd r2, r3, [sp]");
#define C_AFFINE_LOAD __asm__("ldmia.w lr!, {r6, r7, r9}");
#define C_LOAD1 __asm__("ldmia.w lr!, {r6-r10}");
#define C_LOAD2 __asm__("ldmia.w lr!, {r6-r11}");
#define C_LOAD3 __asm__("ldmia.w lr!, {r6-r12}");
#define C_LOAD4 __asm__("ldmia.w lr!, {r0, r6-r12}");
#define C_FIXED(value, n) __asm__("movw r4, #" #value "\n movw r9, #" #n);
#define C_LOOP __asm__("1:");
#define C_NEXT(x, y) __asm__("addw r2, r2, #" #x "\n addw r3, r3, #" #y "\n subs.w r9, r9, #1\n bne.w 1b");
#define C_X(r, at) __asm__("ldrsb.w r" #r ", [r2, #" #at "]");
#define C_SET(weight) __asm__("movw r1, #" #weight);
#define C_FIRST(x, w, h) __asm__("smlab" #h " r4, r" #x ", r" #w ", r8");
#define C_MAC(x, w, h) __asm__("smlab" #h " r4, r" #x ", r" #w ", r4");
#define CPCC_C_OUT(shift, at) "\n ssat r4, #8, r4" shift "\n strb.w r4, [r3, #" #at "]"
#define C_STORE(at) __asm__("strb.w r4, [r3, #" #at "]");
#define C_ROUND(at) __asm__("smmlar r4, r4, r6, r7" CPCC_C_OUT("", at));
#define C_RELU(s, at) __asm__("smmlar r4, r4, r6, r7" CPCC_C_OUT(", asr #" #s, at));
#define C_TFLITE(s, at) __asm__("smmlar r5, r4, r6, r7\n add.w r4, r5, r4, asr #31" CPCC_C_OUT(", asr #" #s, at));
#define C_AFFINE(s, at) __asm__("mla r4, r4, r6, r7" CPCC_C_OUT(", asr #" #s, at));
#else
typedef enum { CPCC_C_CHANNEL, CPCC_C_LOAD, CPCC_C_AFFINE_LOAD, CPCC_C_FIXED, CPCC_C_LOOP, CPCC_C_NEXT, CPCC_C_X, CPCC_C_SET,
               CPCC_C_FIRST, CPCC_C_MAC, CPCC_C_STORE, CPCC_C_ROUND, CPCC_C_TFLITE, CPCC_C_RELU, CPCC_C_AFFINE,
               CPCC_C_END } cpcc_conv_program_op_t;
typedef struct {
  uint8_t op;
  uint16_t a, b, c;
} cpcc_conv_program_step_t;
typedef const cpcc_conv_program_step_t *cpcc_conv_program_t;

enum { CPCC_C_b = 0, CPCC_C_t = 1 };
#define CPCC_CONV_PROGRAM(name) static const cpcc_conv_program_step_t name[] = {
#define CPCC_CONV_PROGRAM_END {CPCC_C_END, 0, 0, 0}};
#define C_CHANNEL {CPCC_C_CHANNEL, 0, 0, 0},
#define C_AFFINE_LOAD {CPCC_C_AFFINE_LOAD, 0, 0, 0},
#define C_LOAD1 {CPCC_C_LOAD, 1, 0, 0},
#define C_LOAD2 {CPCC_C_LOAD, 2, 0, 0},
#define C_LOAD3 {CPCC_C_LOAD, 3, 0, 0},
#define C_LOAD4 {CPCC_C_LOAD, 4, 0, 0},
#define C_FIXED(value, n) {CPCC_C_FIXED, value, n, 0},
#define C_LOOP {CPCC_C_LOOP, 0, 0, 0},
#define C_NEXT(x, y) {CPCC_C_NEXT, x, y, 0},
#define C_X(r, at) {CPCC_C_X, r, at, 0},
#define C_SET(weight) {CPCC_C_SET, weight, 0, 0},
#define C_FIRST(x, w, h) {CPCC_C_FIRST, x, w, CPCC_C_##h},
#define C_MAC(x, w, h) {CPCC_C_MAC, x, w, CPCC_C_##h},
#define C_STORE(at) {CPCC_C_STORE, 0, at, 0},
#define C_ROUND(at) {CPCC_C_ROUND, 0, at, 0},
#define C_TFLITE(s, at) {CPCC_C_TFLITE, s, at, 0},
#define C_RELU(s, at) {CPCC_C_RELU, s, at, 0},
#define C_AFFINE(s, at) {CPCC_C_AFFINE, s, at, 0},
#endif

/* Rows of several image rows each where a 1x1 convolution's lie end to end. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, out_channels;
  cpcc_conv_program_t program;
  const int32_t *stream;
  int32_t low, high;
} cpcc_conv_program_layer_t;

/* Runs a program where it is a table: one output row. */
void cpcc_conv_program_run(cpcc_conv_program_t program, const int8_t *x, int8_t *y, const int32_t *stream);

void cpcc_conv_program_saturate(const cpcc_conv_program_layer_t *layer, int8_t *y);

/* scratch: of cpcc_strip. Compiled into the layer, so that its program is called directly. */
CPCC_INLINE void cpcc_conv_program_layer(const cpcc_conv_program_layer_t *layer, const int8_t *x, int8_t *y,
                                         int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const cpcc_strip_t strip = cpcc_strip(window, x, scratch, layer->kernel_h, 1);
  int8_t *out = y;
  for (int32_t oy = 0; oy < window->out_h; oy++, out += window->out_w * layer->out_channels) {
    const int8_t *rows = cpcc_strip_move(&strip, oy);
#if CPCC_DSP
    layer->program(rows, out, layer->stream);
#else
    cpcc_conv_program_run(layer->program, rows, out, layer->stream);
#endif
  }
  cpcc_conv_program_saturate(layer, y);
}

#endif
