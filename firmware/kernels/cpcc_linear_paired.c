#include "cpcc_linear_paired.h"

#include "cpcc_rounding.h"
#include "cpcc_rows4.h"
#include "cpcc_saturate.h"
#include "cpcc_widen.h"

/* The last one to three outputs: pairs of rows, the last B left out where there is none. */
static void last_rows(const cpcc_linear_paired_t *layer, const uint32_t *x, const int32_t *stream, int8_t *y,
                      int32_t rows) {
  const int32_t rounding = layer->rounding;
  for (; rows > 0; rows -= 2) {
    int32_t a = *stream++, mixed = a;
    for (int32_t i = 0; i < 2 * layer->blocks; i++) {
      const uint32_t w = (uint32_t)*stream++;
      mixed = cpcc_smlad(w, x[i], mixed);
      a = cpcc_smlad(cpcc_sxtb16(w), x[i], a);
    }
    const int32_t b = cpcc_row_b(rounding, *stream++, mixed, a);
    *y++ = cpcc_round(rounding, stream, layer->zero_point, cpcc_row_a(rounding, a));
    stream += cpcc_channel_words(rounding);
    if (rows > 1) {
      *y++ = cpcc_round(rounding, stream, layer->zero_point, b);
      stream += cpcc_channel_words(rounding);
    }
  }
}

void cpcc_linear_paired(const cpcc_linear_paired_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  uint32_t *widened = (uint32_t *)(void *)scratch;
  const cpcc_rows4_t job = {layer->zero_point, layer->out_features / 4 * 4, layer->blocks, layer->rounding};
  const int32_t *stream = layer->stream;
  cpcc_widen(widened, x, layer->blocks);
  if (job.rows > 0) {
    cpcc_rows4(widened, stream, y, &job);
    stream += job.rows / 4 * (4 + 4 * layer->blocks + 4 * cpcc_channel_words(layer->rounding));
  }
  last_rows(layer, widened, stream, y + job.rows, layer->out_features - job.rows);
  cpcc_saturate(y, layer->out_features, layer->low, layer->high);
}
