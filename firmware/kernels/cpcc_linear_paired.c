#include "cpcc_linear_paired.h"

#include "cpcc_crossed.h"
#include "cpcc_rows4.h"
#include "cpcc_saturate.h"

/* Both words of each block. Up to seven bytes behind x may be read: buffers of the arena end at multiples of 8, and those
 * inputs meet zero weights. */
static void widen(uint32_t *d, const int8_t *x, int32_t blocks) {
  for (; blocks > 0; blocks -= 2, x += 8) {
    const uint32_t first = cpcc_load4(x) ^ CPCC_RAISED, second = cpcc_load4(x + 4) ^ CPCC_RAISED;
    d = cpcc_store2(d, first, cpcc_cross_unsigned(first));
    d = cpcc_store2(d, second, cpcc_cross_unsigned(second));
  }
}

/* The last one to three outputs. */
static void last_rows(const cpcc_linear_paired_t *layer, const uint32_t *x, const int32_t *stream, int8_t *y,
                      int32_t rows) {
  for (; rows > 0; rows--) {
    int32_t sum = 0;
    for (int32_t i = 0; i < layer->blocks; i++) {
      const uint32_t w = (uint32_t)*stream++;
      sum = cpcc_smlsd(x[2 * i + 1], w, sum);
      sum = cpcc_smlsd(x[2 * i], cpcc_cross_signed(w), sum);
    }
    stream = cpcc_last_row(layer->rounding, layer->zero_point, stream, sum, y++);
  }
}

void cpcc_linear_paired(const cpcc_linear_paired_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  uint32_t *words = (uint32_t *)(void *)scratch;
  const cpcc_rows4_t job = {layer->zero_point, layer->out_features / 4 * 4, layer->blocks, layer->rounding};
  const int32_t *stream = layer->stream;
  widen(words, x, layer->blocks);
  if (job.rows > 0) {
    cpcc_rows4(words, stream, y, &job);
    stream += job.rows * (layer->blocks + 1 + cpcc_channel_words(layer->rounding));
  }
  last_rows(layer, words, stream, y + job.rows, layer->out_features - job.rows);
  cpcc_saturate(y, layer->out_features, layer->low, layer->high);
}
