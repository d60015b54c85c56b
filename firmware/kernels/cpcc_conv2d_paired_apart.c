#include "cpcc_conv2d_paired_apart.h"

#include "cpcc_saturate.h"
#include "cpcc_strip.h"
#include "cpcc_tile4x2_apart.h"
#include "cpcc_widen2.h"

#define LAYER cpcc_conv2d_paired_apart_t
#define TILE cpcc_tile4x2_apart_t
#define FUNCTION cpcc_conv2d_paired_apart
#define BEHIND CPCC_TILE_APART_BEHIND

static inline cpcc_tile4x2_apart_t tile_of(const cpcc_conv2d_paired_apart_t *layer, uint32_t *x) {
  return (cpcc_tile4x2_apart_t){x, layer->steps, layer->stream, layer->constants, layer->rounding, layer->zero_point};
}

static inline uint32_t *words_of(const cpcc_tile4x2_apart_t *tile) { return tile->x; }

static inline void prepare(const cpcc_tile4x2_apart_t *tile) { cpcc_tile4x2_apart_prepare(tile); }

static inline void compute(const cpcc_tile4x2_apart_t *tile, int8_t *y0, int8_t *y1, int32_t channels) {
  cpcc_tile4x2_apart(tile, y0, y1, channels);
}

static inline void skip(cpcc_tile4x2_apart_t *tile, int32_t groups) {
  tile->stream += groups * 2 * tile->steps;
  tile->constants += groups * cpcc_tile4x2_apart_constants(tile);
}

#include "cpcc_conv2d_pairs.h"
