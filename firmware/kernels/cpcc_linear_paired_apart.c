#include "cpcc_linear_paired_apart.h"

#include "cpcc_crossed.h"
#include "cpcc_rows4.h"
#include "cpcc_saturate.h"

void cpcc_linear_paired_apart(const cpcc_linear_paired_apart_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  uint32_t *words = (uint32_t *)(void *)scratch;
  const int32_t blocks = layer->blocks, rows = layer->out_features / 4 * 4;
  const cpcc_rows4_t job = {layer->zero_point, rows, blocks, layer->rounding};
  const int32_t *stream = layer->stream + rows * blocks;
  const int32_t *constants = layer->constants + rows * (1 + cpcc_channel_words(layer->rounding));
  cpcc_crossed_input(words, x, blocks);
  if (rows > 0) {
    cpcc_rows4_apart(words, layer->stream, y, &job, layer->constants);
  }
  for (int32_t i = rows; i < layer->out_features; i++, stream += blocks) {
    const int32_t sum = cpcc_crossed_row(words, stream, blocks);
    constants = cpcc_last_row(layer->rounding, layer->zero_point, constants, sum, y + i);
  }
  cpcc_saturate(y, layer->out_features, layer->low, layer->high);
}
