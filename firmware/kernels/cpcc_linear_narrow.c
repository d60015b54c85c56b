#include "cpcc_linear_narrow.h"

#include "cpcc_crossed.h"
#include "cpcc_rows4.h"
#include "cpcc_saturate.h"

/* `d` may be x. Up to seven bytes behind x may be read: buffers of the arena end at multiples of 8, and those inputs meet
 * zero weights. */
static void raise(int8_t *d, const int8_t *x, int32_t blocks) {
  for (; blocks > 2; blocks -= 4, d += 16, x += 16) {
    const uint32_t a = cpcc_load4(x), b = cpcc_load4(x + 4), e = cpcc_load4(x + 8), f = cpcc_load4(x + 12);
    cpcc_store4(d, a ^ CPCC_RAISED);
    cpcc_store4(d + 4, b ^ CPCC_RAISED);
    cpcc_store4(d + 8, e ^ CPCC_RAISED);
    cpcc_store4(d + 12, f ^ CPCC_RAISED);
  }
  if (blocks > 0) {
    const uint32_t a = cpcc_load4(x), b = cpcc_load4(x + 4);
    cpcc_store4(d, a ^ CPCC_RAISED);
    cpcc_store4(d + 4, b ^ CPCC_RAISED);
  }
}

/* The last one to three outputs. */
static void last_rows(const cpcc_linear_narrow_t *layer, const uint32_t *x, const int32_t *stream, int8_t *y,
                      int32_t rows) {
  for (; rows > 0; rows--) {
    int32_t sum = 0;
    for (int32_t i = 0; i < layer->blocks; i++) {
      const uint32_t w = (uint32_t)*stream++;
      sum = cpcc_smlsd(cpcc_cross_unsigned(x[i]), w, sum);
      sum = cpcc_smlsd(x[i], cpcc_cross_signed(w), sum);
    }
    stream = cpcc_last_row(layer->rounding, layer->zero_point, stream, sum, y++);
  }
}

void cpcc_linear_narrow(const cpcc_linear_narrow_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_rows4_t job = {layer->zero_point, layer->out_features / 4 * 4, layer->blocks, layer->rounding};
  const uint32_t *words = (const uint32_t *)(void *)scratch;
  const int32_t *stream = layer->stream;
  raise(scratch, x, layer->blocks);
  if (job.rows > 0) {
    cpcc_rows4_narrow(words, stream, y, &job);
    stream += job.rows * (layer->blocks + 1 + cpcc_channel_words(layer->rounding));
  }
  last_rows(layer, words, stream, y + job.rows, layer->out_features - job.rows);
  cpcc_saturate(y, layer->out_features, layer->low, layer->high);
}
