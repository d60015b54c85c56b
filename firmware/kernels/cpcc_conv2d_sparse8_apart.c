#include "cpcc_conv2d_sparse8_apart.h"

#include "cpcc_sparse8.h"

void cpcc_conv2d_sparse8_apart(const cpcc_conv2d_sparse8_apart_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_sparse8_apart_t job = {cpcc_tiles8_job(&layer->tiles), layer->constants};
  const uint32_t padding = cpcc_sparse8_padding(&layer->tiles);
  cpcc_tiles8(&layer->tiles, &job.run, cpcc_sparse8_load, cpcc_sparse8_apart, padding, x, y, scratch);
}
