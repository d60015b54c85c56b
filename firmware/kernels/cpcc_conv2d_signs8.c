#include "cpcc_conv2d_signs8.h"

#include "cpcc_signs8.h"

void cpcc_conv2d_signs8(const cpcc_conv2d_signs8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const uint32_t padding = (uint32_t)layer->window.pad_value;
  const cpcc_tiles8_run_t job = cpcc_tiles8_job(layer);
  cpcc_tiles8(layer, &job, cpcc_signs8_load, cpcc_signs8, cpcc_pack_low(padding, padding), x, y, scratch);
}
