#include "cpcc_conv2d_sparse8.h"

#include "cpcc_sparse8.h"

void cpcc_conv2d_sparse8(const cpcc_conv2d_sparse8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_tiles8_run_t job = cpcc_tiles8_job(layer);
  cpcc_tiles8(layer, &job, cpcc_sparse8_load, cpcc_sparse8_once, cpcc_sparse8_padding(layer), x, y, scratch);
}

void cpcc_conv2d_sparse8_tflite(const cpcc_conv2d_sparse8_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_tiles8_run_t job = cpcc_tiles8_job(layer);
  cpcc_tiles8(layer, &job, cpcc_sparse8_load, cpcc_sparse8_tflite, cpcc_sparse8_padding(layer), x, y, scratch);
}
