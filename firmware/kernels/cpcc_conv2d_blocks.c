#include "cpcc_conv2d_blocks.h"

#include "cpcc_dsp.h"

#if CPCC_DSP
typedef struct {
  uint32_t even, odd;
} weights_t;

static weights_t weights(const uint8_t *stream) {
  const uint32_t word = cpcc_load4((const int8_t *)stream);
  return (weights_t){cpcc_sxtb16(word), cpcc_sxtb16_high(word)};
}

static int32_t add(int32_t sum, weights_t w, const int8_t *x) {
  const uint32_t word = cpcc_load4(x);
  return cpcc_smlad(w.odd, cpcc_sxtb16_high(word), cpcc_smlad(w.even, cpcc_sxtb16(word), sum));
}
#else
typedef struct {
  int32_t a, b, c, d;
} weights_t;

static weights_t weights(const uint8_t *stream) {
  return (weights_t){(int8_t)stream[0], (int8_t)stream[1], (int8_t)stream[2], (int8_t)stream[3]};
}

static int32_t add(int32_t sum, weights_t w, const int8_t *x) {
  return sum + w.a * x[0] + w.b * x[1] + w.c * x[2] + w.d * x[3];
}
#endif

CPCC_NOINLINE static const uint8_t *dot(const uint8_t *stream, const int8_t *x, const cpcc_runs_four_t *four,
                                        cpcc_runs_sums_t *sums) {
  const int32_t second = four->second, third = four->third, last = four->last;
  int32_t a = 0, b = 0, c = 0, d = 0;
  for (int32_t row = 0; row < four->rows; row++) {
    const int8_t *p = x + row * four->pitch;
    int32_t count = 0;
    do {
      count = *stream++;
      for (const uint8_t *end = stream + 5 * count; stream != end; stream += 5) {
        const weights_t w = weights(stream + 1);
        p += 4 * stream[0];
        a = add(a, w, p);
        b = add(b, w, p + second);
        c = add(c, w, p + third);
        d = add(d, w, p + last);
      }
    } while (count == CPCC_RUN);
  }
  *sums = (cpcc_runs_sums_t){a, b, c, d};
  return stream;
}

CPCC_INLINE void run(const cpcc_conv2d_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  cpcc_runs(layer, 0, 0, dot, x, y, scratch, tflite);
}

CPCC_BOTH_ROUNDINGS(cpcc_conv2d_blocks)
