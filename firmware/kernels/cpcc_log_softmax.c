#include "cpcc_log_softmax.h"
#include "cpcc_exponentials.h"

#define LOG_BITS 25 /* fraction bits of a power of 2 and of its logarithm */
#define QUARTER (1 << (LOG_BITS - 2))
/* Q0.31, with s the fourth root of 2: log 2, sqrt(1/2), 1/s, 11 s / 240, s / 20, 2 / s - s, s / 4. */
#define LOG_2 1488522236
#define SQRT_HALF 1518500250
#define FOURTH_ROOT_HALF 1805811301
#define ALPHA_N 117049297
#define ALPHA_D 127690142
#define ALPHA_I 1057819769
#define ALPHA_F 638450708
#define FAR (-20 * (1 << 26)) /* Q5.26; less the largest logarithm, of 4096, it fits int32 */

/* x * 2^bits, x not negative, saturated at 2^31 - 1: at most one bit is lost. */
static int32_t saturating_left(int32_t x, int32_t bits) {
  const uint32_t shifted = (uint32_t)x << bits;
  const uint32_t over = 0u - (shifted >> 31);
  return (int32_t)((shifted | over) & 0x7FFFFFFFu);
}

/* Q5.26 log(x) of Q12.19 x >= 1; steps and source: log_of_sum in cpcc/ops/fixed_functions.py. */
static int32_t log_of_sum(int32_t x) {
  const int32_t zeros_a = cpcc_leading_zeros((uint32_t)x);
  const int32_t zeros_b = cpcc_leading_zeros((uint32_t)cpcc_product31(x, SQRT_HALF)) - 1;
  const int32_t r_a = saturating_left(cpcc_product31((int32_t)((uint32_t)x << (zeros_a - 1)), SQRT_HALF), 1);
  const int32_t r = cpcc_min(r_a, saturating_left(x, zeros_b));
  const int32_t power_a = (CPCC_SUM_INTEGER_BITS - zeros_a) * (1 << LOG_BITS) + QUARTER;
  const int32_t power_b = (CPCC_SUM_INTEGER_BITS - zeros_b) * (1 << LOG_BITS) - QUARTER;
  const int32_t p = (int32_t)(((uint32_t)r + FOURTH_ROOT_HALF + 1u) >> 1);
  const int32_t q = (r - FOURTH_ROOT_HALF) * 2;
  const int32_t square = cpcc_product31(q, q);
  const int32_t numerator = cpcc_product31(q, r) + cpcc_product31(cpcc_product31(q, square), ALPHA_N);
  const int32_t denominator =
      cpcc_product31(p, ALPHA_I + q + cpcc_product31(ALPHA_D, square)) + cpcc_product31(ALPHA_F, q);
  const int32_t scaled = (numerator + 32 + cpcc_sign(numerator)) >> 6; /* halves away from zero */
  const int32_t fraction = cpcc_product31(scaled, cpcc_reciprocal((uint32_t)denominator));
  return (cpcc_product31(cpcc_max(power_a, power_b), LOG_2) + fraction) * 2;
}

/* Q5.26 to output steps, halves away from zero. */
static int32_t to_output(const cpcc_log_softmax_t *layer, int32_t x) {
  const int64_t half = (int64_t)(1 << (layer->shift - 1)) * ((int64_t)1 << 32);
  const int64_t product = cpcc_long_product(x, layer->multiplier) + half + cpcc_sign(x);
  return ((int32_t)(product >> 32) >> layer->shift) + layer->zero_point;
}

static void row(const cpcc_log_softmax_t *layer, const int8_t *x, int8_t *y) {
  const int32_t largest = cpcc_row_maximum(x, layer->classes);
  const int32_t sum = cpcc_exponential_sum(layer->exponentials, layer->last, x, layer->classes, largest);
  const int32_t logarithm = log_of_sum(sum);
  for (int32_t i = 0; i < layer->classes; i++) {
    const int32_t distance = largest - x[i];
    const int32_t near = cpcc_min(distance, layer->radius);
    const int32_t scaled = cpcc_product31(-(int32_t)((uint32_t)near << layer->in_shift), layer->in_multiplier);
    const int32_t below = cpcc_min(cpcc_max(scaled, FAR), FAR * cpcc_min(distance - near, 1));
    y[i] = (int8_t)cpcc_clamp(to_output(layer, below - logarithm), -128, 127);
  }
}

void cpcc_log_softmax(const cpcc_log_softmax_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  (void)scratch;
  for (int32_t i = 0; i < layer->rows; i++) {
    row(layer, x, y);
    x += layer->classes;
    y += layer->classes;
  }
}
