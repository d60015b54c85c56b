#ifndef CPCC_LINEAR_UNROLLED_APART_H
#define CPCC_LINEAR_UNROLLED_APART_H

#include "cpcc_linear_unrolled.h"

/* cpcc_linear_unrolled for weights that several layers share, each with constants of its own: program and stream follow from the
 * weights alone. One rounding (CPCC_ONCE). Behind the output on the stack: constants; per five rows their biases, the zero
 * point and their multipliers.
 *
 * START_AT(at)       as START, the biases `at` bytes into the constants
 * CONSTANTS_AT(at)   as CONSTANTS, likewise */
#if CPCC_DSP
typedef void cpcc_unrolled_apart_t(const uint32_t *x, const int32_t *stream, int8_t *y, const int32_t *constants);
typedef cpcc_unrolled_apart_t *cpcc_program_apart_t;

#define CPCC_UNROLLED_APART(name)                                                                              \
  __attribute__((naked, noinline)) static void name(const uint32_t *x __attribute__((unused)),                  \
                                                    const int32_t *stream __attribute__((unused)),              \
                                                    int8_t *y __attribute__((unused)),                          \
                                                    const int32_t *constants __attribute__((unused))) {         \
    __asm__("push {r2-r11, lr}");
#define CPCC_UNROLLED_APART_END           \
  __asm__("add sp, #8\n pop {r4-r11, pc}"); \
  }
#define START_AT(at) __asm__("ldr r6, [sp, #4]\n addw r6, r6, #" #at "\n ldmia.w r6, {r8, r9, r10, r11, r12}");
#define CONSTANTS_AT(at) __asm__("ldr r2, [sp, #4]\n addw r2, r2, #" #at "\n ldmia r2, {r2, r3, r4, r5, r6, r7}");
#else
typedef cpcc_program_t cpcc_program_apart_t;

#define CPCC_UNROLLED_APART(name) CPCC_UNROLLED(name)
#define CPCC_UNROLLED_APART_END CPCC_UNROLLED_END
#define START_AT(at) {CPCC_START_AT, at, 0, 0, 0, 0},
#define CONSTANTS_AT(at) {CPCC_CONSTANTS_AT, at, 0, 0, 0, 0},
#endif

typedef struct {
  cpcc_program_apart_t program;
  const int32_t *stream, *constants;
  int32_t blocks; /* of four inputs, the last filled with zero weights */
  int32_t out_features;
  int32_t low, high;
} cpcc_linear_unrolled_apart_t;

/* scratch: 16 bytes for every eight inputs. Compiled into the layer, so that its program is called directly. */
CPCC_INLINE void cpcc_linear_unrolled_apart(const cpcc_linear_unrolled_apart_t *layer, const int8_t *x, int8_t *y,
                                            int8_t *scratch) {
  const uint32_t *widened = (const uint32_t *)(const void *)scratch;
  cpcc_unrolled_widen(scratch, x, layer->blocks);
#if CPCC_DSP
  layer->program(widened, layer->stream, y, layer->constants);
#else
  cpcc_unrolled_run(layer->program, widened, layer->stream, y, layer->constants);
#endif
  cpcc_unrolled_saturate(y, layer->out_features, layer->low, layer->high);
}

#endif
