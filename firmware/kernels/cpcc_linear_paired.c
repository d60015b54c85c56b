#include "cpcc_linear_paired.h"

#include "cpcc_rounding.h"
#include "cpcc_rows4.h"
#include "cpcc_saturate.h"

/* Int16 copies of four inputs at a time: halfwords 0 and 2, then 1 and 3. The last block may read up to three bytes
 * behind x: buffers of the arena end at multiples of 8, and those inputs meet zero weights. */
static void widen(uint32_t *d, const int8_t *x, int32_t blocks) {
  for (; blocks > 1; blocks -= 2, x += 8) {
    const uint32_t first = cpcc_load4(x), second = cpcc_load4(x + 4);
    d = cpcc_store2(d, cpcc_sxtb16(first), cpcc_sxtb16_high(first));
    d = cpcc_store2(d, cpcc_sxtb16(second), cpcc_sxtb16_high(second));
  }
  if (blocks > 0) {
    const uint32_t word = cpcc_load4(x);
    (void)cpcc_store2(d, cpcc_sxtb16(word), cpcc_sxtb16_high(word));
  }
}

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
  widen(widened, x, layer->blocks);
  if (job.rows > 0) {
    cpcc_rows4(widened, stream, y, &job);
    stream += job.rows / 4 * (4 + 4 * layer->blocks + 4 * cpcc_channel_words(layer->rounding));
  }
  last_rows(layer, widened, stream, y + job.rows, layer->out_features - job.rows);
  cpcc_saturate(y, layer->out_features, layer->low, layer->high);
}
