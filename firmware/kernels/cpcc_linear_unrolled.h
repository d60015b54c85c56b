#ifndef CPCC_LINEAR_UNROLLED_H
#define CPCC_LINEAR_UNROLLED_H

#include "cpcc_dsp.h"
#include "cpcc_fixed.h"

/* A sparse layer as a program of its own, written by cpcc/formats/unrolled.py: straight-line code with one instruction per
 * nonzero weight. Elsewhere than on a core with the DSP extension the same program is a table, which is interpreted.
 *   r0: inputs, int16, two in a word   r1: stream   r2-r5: inputs   r6 r7 r14: weights   r8-r12: sums   stack: output
 *
 * START            the sums of five rows start at their biases, from the stream
 * X4               the next four words of inputs      BACK(bytes)   back to the first
 * X2(a, b, at)     two words of inputs, at a distance in bytes;   X1(a, at) one
 * W                six weights from the stream
 * MAC(sum, x, h, w, g)   adds a product of halfwords, b (bottom) or t (top)
 * Y                r14 is the output from here on
 * CONSTANTS, CONSTANTS2   six or four words of the stream to r2 and on
 * ROUND(sum, m, i)        output i: one rounding; r2 is the zero point
 * ROUND_TFLITE, ROUND_RELU(sum, m, offset, shift, i)   output i: TensorFlow Lite's, as cpcc_rounding.h has it; the sum
 *                         is twice the accumulator */
#if CPCC_DSP
typedef void cpcc_unrolled_t(const uint32_t *x, const int32_t *stream, int8_t *y);
typedef cpcc_unrolled_t *cpcc_program_t;

#define CPCC_UNROLLED(name)                                                                                 \
  __attribute__((naked, noinline)) static void name(const uint32_t *x __attribute__((unused)),             \
                                                    const int32_t *stream __attribute__((unused)),         \
                                                    int8_t *y __attribute__((unused))) {                   \
    __asm__("push {r2, r4-r11, lr}");
#define CPCC_UNROLLED_END               \
  __asm__("add sp, #4\n pop {r4-r11, pc}"); \
  }
#define START __asm__("ldmia.w r1!, {r8, r9, r10, r11, r12}");
#define X4 __asm__("ldmia r0!, {r2, r3, r4, r5}");
#define BACK(bytes) __asm__("sub r0, r0, #" #bytes);
#define X2(a, b, at) __asm__("ldrd r" #a ", r" #b ", [r0, #" #at "]");
#define X1(a, at) __asm__("ldr.w r" #a ", [r0, #" #at "]");
#define W __asm__("ldmia.w r1!, {r6, r7, lr}");
#define MAC(sum, x, h, w, g) __asm__("smla" #h #g " r" #sum ", r" #x ", r" #w ", r" #sum);
#define Y __asm__("ldr.w lr, [sp]");
#define CONSTANTS __asm__("ldmia r1!, {r2, r3, r4, r5, r6, r7}");
#define CONSTANTS2 __asm__("ldmia r1!, {r2, r3, r4, r5}");
#define CPCC_OUT(r, i, shift) "\n ssat r" #r ", #8, r" #r shift "\n strb.w r" #r ", [lr, #" #i "]"
#define ROUND(sum, m, i) __asm__("smmlar r" #sum ", r" #sum ", r" #m ", r2" CPCC_OUT(sum, i, ""));
#define ROUND_TFLITE(sum, m, o, s, i)                                                                          \
  __asm__("smmlar r" #m ", r" #sum ", r" #m ", r" #o "\n add.w r" #m ", r" #m ", r" #sum ", asr #31" CPCC_OUT( \
      m, i, ", asr #" #s));
#define ROUND_RELU(sum, m, o, s, i) \
  __asm__("smmlar r" #sum ", r" #sum ", r" #m ", r" #o CPCC_OUT(sum, i, ", asr #" #s));
#else
typedef enum { CPCC_START, CPCC_START_AT, CPCC_X4, CPCC_BACK, CPCC_X2, CPCC_X1, CPCC_W, CPCC_MAC, CPCC_CONSTANTS,
               CPCC_CONSTANTS_AT, CPCC_ROUND, CPCC_ROUND_TFLITE, CPCC_ROUND_RELU, CPCC_END } cpcc_unrolled_op_t;
typedef struct {
  uint8_t op;
  uint16_t a, b, c, d, e;
} cpcc_unrolled_t;
typedef const cpcc_unrolled_t *cpcc_program_t;

enum { CPCC_b = 0, CPCC_t = 1 };
#define CPCC_UNROLLED(name) static const cpcc_unrolled_t name[] = {
#define CPCC_UNROLLED_END {CPCC_END, 0, 0, 0, 0, 0}};
#define START {CPCC_START, 0, 0, 0, 0, 0},
#define X4 {CPCC_X4, 0, 0, 0, 0, 0},
#define BACK(bytes) {CPCC_BACK, bytes, 0, 0, 0, 0},
#define X2(a, b, at) {CPCC_X2, a, b, at, 0, 0},
#define X1(a, at) {CPCC_X1, a, at, 0, 0, 0},
#define W {CPCC_W, 0, 0, 0, 0, 0},
#define MAC(sum, x, h, w, g) {CPCC_MAC, sum, x, CPCC_##h, w, CPCC_##g},
#define Y
#define CONSTANTS {CPCC_CONSTANTS, 6, 0, 0, 0, 0},
#define CONSTANTS2 {CPCC_CONSTANTS, 4, 0, 0, 0, 0},
#define ROUND(sum, m, i) {CPCC_ROUND, sum, m, 2, 0, i},
#define ROUND_TFLITE(sum, m, o, s, i) {CPCC_ROUND_TFLITE, sum, m, o, s, i},
#define ROUND_RELU(sum, m, o, s, i) {CPCC_ROUND_RELU, sum, m, o, s, i},

/* Runs a program on widened inputs; `constants` for those of cpcc_linear_unrolled_apart.h. */
void cpcc_unrolled_run(cpcc_program_t program, const uint32_t *x, const int32_t *stream, int8_t *y, const int32_t *constants);
#endif

typedef struct {
  cpcc_program_t program;
  const int32_t *stream;
  int32_t blocks; /* of four inputs, the last filled with zero weights */
  int32_t out_features;
  int32_t low, high;
} cpcc_linear_unrolled_t;

/* Outside of the layer, which is compiled for itself. `blocks` of four inputs. */
void cpcc_unrolled_widen(int8_t *scratch, const int8_t *x, int32_t blocks);
void cpcc_unrolled_saturate(int8_t *y, int32_t count, int32_t low, int32_t high);

/* scratch: 16 bytes for every eight inputs. Compiled into the layer, so that its program is called directly. */
CPCC_INLINE void cpcc_linear_unrolled(const cpcc_linear_unrolled_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const uint32_t *widened = (const uint32_t *)(const void *)scratch;
  cpcc_unrolled_widen(scratch, x, layer->blocks);
#if CPCC_DSP
  layer->program(widened, layer->stream, y);
#else
  cpcc_unrolled_run(layer->program, widened, layer->stream, y, 0);
#endif
  cpcc_unrolled_saturate(y, layer->out_features, layer->low, layer->high);
}

#endif
