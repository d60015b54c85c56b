#include "cpcc_conv2d_blocks8_apart.h"

#include "cpcc_blocks8.h"

void cpcc_conv2d_blocks8_apart(const cpcc_conv2d_blocks8_apart_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_blocks8_apart_t job = {cpcc_tiles8_job(&layer->tiles), layer->constants};
  const uint32_t padding = (uint32_t)layer->tiles.window.pad_value;
  cpcc_tiles8(&layer->tiles, &job.run, cpcc_blocks8_load, cpcc_blocks8_apart, cpcc_pack_low(padding, padding), x, y, scratch);
}
