#include "cpcc_depthwise_quad.h"

#include "cpcc_rounding.h"
#include "cpcc_saturate.h"
#include "cpcc_strip.h"

/* Bytes between taps, and from the end of one run to the start of the next. */
typedef struct {
  int32_t tap, skip;
} stride_t;

typedef struct {
  int32_t a, b, c, d;
} quad_t;

/* One pixel of four channels: the stream behind their weights. Not inlined: the loops around it take its registers. */
CPCC_NOINLINE static const int32_t *dot(const cpcc_depthwise_quad_t *layer, const int8_t *x, const int32_t *stream,
                                        stride_t stride, quad_t *sum) {
  int32_t a = stream[0], b = stream[1], c = stream[2], d = stream[3];
  stream += 4;
  for (int32_t run = layer->runs; run > 0; run--) {
    for (int32_t tap = layer->taps; tap > 0; tap--) {
      const uint32_t word = cpcc_load4(x), even = cpcc_sxtb16(word), odd = cpcc_sxtb16_high(word);
      const uint32_t w0 = (uint32_t)stream[0], w1 = (uint32_t)stream[1];
      a = cpcc_smlabb(even, w0, a);
      b = cpcc_smlabb(odd, w1, b);
      c = cpcc_smlatt(even, w0, c);
      d = cpcc_smlatt(odd, w1, d);
      stream += 2;
      x += stride.tap;
    }
    x += stride.skip;
  }
  sum->a = a;
  sum->b = b;
  sum->c = c;
  sum->d = d;
  return stream;
}

static const int32_t *round4(const cpcc_depthwise_quad_t *layer, const int32_t *stream, const quad_t *sum, int8_t *y) {
  const int32_t rounding = layer->rounding, zero_point = layer->zero_point, words = cpcc_channel_words(rounding);
  y[0] = cpcc_round(rounding, stream, zero_point, sum->a);
  y[1] = cpcc_round(rounding, stream + words, zero_point, sum->b);
  y[2] = cpcc_round(rounding, stream + 2 * words, zero_point, sum->c);
  y[3] = cpcc_round(rounding, stream + 3 * words, zero_point, sum->d);
  return stream + 4 * words;
}

static void pixel(const cpcc_depthwise_quad_t *layer, const int8_t *x, stride_t stride, int8_t *y) {
  const int32_t *stream = layer->stream;
  const int32_t channels = layer->window.channels;
  for (int32_t at = 0; at < channels; at += 4) {
    const int32_t first = cpcc_min(at, channels - 4);
    quad_t sum;
    stream = dot(layer, x + first, stream, stride, &sum);
    stream = round4(layer, stream, &sum, y + first);
  }
}

void cpcc_depthwise_quad(const cpcc_depthwise_quad_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const cpcc_strip_t strip = cpcc_strip(window, x, scratch, layer->kernel_h, 1);
  const int32_t tap = layer->runs == 1 && layer->kernel_h > 1 ? strip.pitch : window->channels;
  const stride_t stride = {tap, strip.pitch - layer->taps * tap};
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = cpcc_strip_move(&strip, oy);
    for (int32_t ox = 0; ox < window->out_w; ox++) {
      pixel(layer, p, stride, y);
      p += window->stride_w * window->channels;
      y += window->channels;
    }
  }
  cpcc_saturate(y - window->out_h * window->out_w * window->channels, window->out_h * window->out_w * window->channels,
                layer->low, layer->high);
}
