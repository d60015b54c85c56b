#include "cpcc_conv2d_few.h"

#include "cpcc_nibbles.h"

CPCC_NOINLINE static const uint8_t *dot(const uint8_t *stream, const int8_t *x, const cpcc_runs_four_t *four,
                                        cpcc_runs_sums_t *sums) {
  const int32_t second = four->second, third = four->third, last = four->last, bits = four->bits;
  int32_t a = 0, b = 0, c = 0, d = 0;
  for (int32_t row = 0; row < four->rows; row++) {
    const int8_t *p = x + row * four->pitch;
    int32_t count = 0;
    do {
      count = *stream++;
      for (const uint8_t *end = stream + count; stream != end;) {
        const uint32_t entry = *stream++;
        const int32_t multiple = cpcc_low_bits(entry, bits);
        p += entry >> bits;
        a += multiple * p[0];
        b += multiple * p[second];
        c += multiple * p[third];
        d += multiple * p[last];
      }
    } while (count == CPCC_RUN);
  }
  *sums = (cpcc_runs_sums_t){a, b, c, d};
  return stream;
}

CPCC_INLINE void run(const cpcc_conv2d_few_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  cpcc_runs(&layer->runs, layer->steps, layer->bits, dot, x, y, scratch, tflite);
}

CPCC_BOTH_ROUNDINGS(cpcc_conv2d_few)
