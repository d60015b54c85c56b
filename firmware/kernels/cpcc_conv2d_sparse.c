#include "cpcc_conv2d_sparse.h"

#include "cpcc_pad.h"

#define PIXELS 4

typedef struct {
  int32_t a, b, c, d;
} row_t;

/* One output channel of four neighbouring pixels, `step` apart: each weight and distance is loaded once for all. Written
 * out and not inlined, as in cpcc_conv2d_dense.c. */
CPCC_NOINLINE static void dot4(const int8_t *weight, const uint8_t *delta, int32_t count, const int8_t *x,
                               int32_t step, row_t *acc) {
  const int8_t *x1 = x + step, *x2 = x1 + step, *x3 = x2 + step;
  int32_t a = 0, b = 0, c = 0, d = 0, at = 0;
  for (; count > 0; count--) {
    at += *delta++;
    const int32_t w = *weight++;
    a += w * x[at];
    b += w * x1[at];
    c += w * x2[at];
    d += w * x3[at];
  }
  acc->a = a;
  acc->b = b;
  acc->c = c;
  acc->d = d;
}

CPCC_INLINE void four_pixels(const cpcc_conv2d_sparse_t *layer, const int8_t *x, int32_t step, int8_t *y, int tflite) {
  const uint8_t *delta = layer->deltas;
  const int8_t *weight = layer->weights;
  const int32_t channels = layer->out_channels;
  for (int32_t out = 0; out < channels; out++) {
    const int32_t bias = layer->output.bias[out];
    const int32_t count = layer->counts[out];
    row_t acc;
    dot4(weight, delta, count, x, step, &acc);
    weight += count;
    delta += count;
    y[out] = cpcc_requantize_as(tflite, &layer->output, out, acc.a + bias);
    y[channels + out] = cpcc_requantize_as(tflite, &layer->output, out, acc.b + bias);
    y[2 * channels + out] = cpcc_requantize_as(tflite, &layer->output, out, acc.c + bias);
    y[3 * channels + out] = cpcc_requantize_as(tflite, &layer->output, out, acc.d + bias);
  }
}

CPCC_INLINE void one_pixel(const cpcc_conv2d_sparse_t *layer, const int8_t *x, int8_t *y, int tflite) {
  const uint8_t *delta = layer->deltas;
  const int8_t *weight = layer->weights;
  for (int32_t out = 0; out < layer->out_channels; out++) {
    const int8_t *p = x;
    int32_t acc = layer->output.bias[out];
    for (const int8_t *end = weight + layer->counts[out]; weight != end;) {
      p += *delta++;
      acc += *weight++ * *p;
    }
    y[out] = cpcc_requantize_as(tflite, &layer->output, out, acc);
  }
}

CPCC_INLINE void run(const cpcc_conv2d_sparse_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const cpcc_window_t *window = &layer->window;
  const int32_t step = window->stride_w * window->channels;
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = cpcc_pad_rows(window, x, scratch, layer->kernel_h, oy);
    int32_t ox = 0;
    for (; ox + PIXELS <= window->out_w; ox += PIXELS) {
      four_pixels(layer, p, step, y, tflite);
      p += PIXELS * step;
      y += PIXELS * layer->out_channels;
    }
    for (; ox < window->out_w; ox++) {
      one_pixel(layer, p, y, tflite);
      p += step;
      y += layer->out_channels;
    }
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_conv2d_sparse)
