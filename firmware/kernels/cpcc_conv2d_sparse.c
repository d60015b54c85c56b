#include "cpcc_conv2d_sparse.h"

CPCC_NOINLINE static const uint8_t *dot(const uint8_t *stream, const int8_t *x, const cpcc_runs_four_t *four,
                                        cpcc_runs_sums_t *sums) {
  const int32_t second = four->second, third = four->third, last = four->last;
  int32_t a = 0, b = 0, c = 0, d = 0;
  for (int32_t row = 0; row < four->rows; row++) {
    const int8_t *p = x + row * four->pitch;
    int32_t count = 0;
    do {
      count = *stream++;
      for (const uint8_t *end = stream + 2 * count; stream != end; stream += 2) {
        const int32_t weight = (int8_t)stream[1];
        p += stream[0];
        a += weight * p[0];
        b += weight * p[second];
        c += weight * p[third];
        d += weight * p[last];
      }
    } while (count == CPCC_RUN);
  }
  *sums = (cpcc_runs_sums_t){a, b, c, d};
  return stream;
}

CPCC_INLINE void run(const cpcc_conv2d_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  cpcc_runs(layer, 0, 0, dot, x, y, scratch, tflite);
}

CPCC_BOTH_ROUNDINGS(cpcc_conv2d_sparse)
