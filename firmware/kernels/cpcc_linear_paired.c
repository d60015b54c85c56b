#include "cpcc_linear_paired.h"

#include "cpcc_crossed.h"
#include "cpcc_rows4.h"
#include "cpcc_saturate.h"

/* The last one to three outputs. */
static void last_rows(const cpcc_linear_paired_t *layer, const uint32_t *x, const int32_t *stream, int8_t *y,
                      int32_t rows) {
  for (; rows > 0; rows--) {
    const int32_t sum = cpcc_crossed_row(x, stream, layer->blocks);
    stream = cpcc_last_row(layer->rounding, layer->zero_point, stream + layer->blocks, sum, y++);
  }
}

void cpcc_linear_paired(const cpcc_linear_paired_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  uint32_t *words = (uint32_t *)(void *)scratch;
  const cpcc_rows4_t job = {layer->zero_point, layer->out_features / 4 * 4, layer->blocks, layer->rounding};
  const int32_t *stream = layer->stream;
  cpcc_crossed_input(words, x, layer->blocks);
  if (job.rows > 0) {
    cpcc_rows4(words, stream, y, &job);
    stream += job.rows * (layer->blocks + 1 + cpcc_channel_words(layer->rounding));
  }
  last_rows(layer, words, stream, y + job.rows, layer->out_features - job.rows);
  cpcc_saturate(y, layer->out_features, layer->low, layer->high);
}
