#include "cpcc_conv2d_nibbles.h"

#include "cpcc_nibbles.h"
#include "cpcc_pad.h"

enum { PIXELS = 4 };

typedef struct {
  int32_t a, b, c, d;
} row_t;

/* One row of the kernel over four neighbouring pixels, `step` apart: each weight is unpacked once for all. Not inlined, as in
 * cpcc_conv2d_dense.c. At a row's end several of the pixels are the same one. */
CPCC_NOINLINE static void dot4(const uint8_t *multiples, int32_t run, const int8_t *x, const int32_t *at, row_t *acc) {
  const int8_t *x1 = x + at[0], *x2 = x + at[1], *x3 = x + at[2];
  int32_t a = acc->a, b = acc->b, c = acc->c, d = acc->d;
  for (; run > 1; run -= 2) {
    const uint32_t pair = *multiples++;
    const int32_t low = cpcc_low_nibble(pair), high = cpcc_high_nibble(pair);
    a += low * x[0] + high * x[1];
    b += low * x1[0] + high * x1[1];
    c += low * x2[0] + high * x2[1];
    d += low * x3[0] + high * x3[1];
    x += 2;
    x1 += 2;
    x2 += 2;
    x3 += 2;
  }
  if (run > 0) {
    const int32_t low = cpcc_low_nibble(*multiples);
    a += low * *x;
    b += low * *x1;
    c += low * *x2;
    d += low * *x3;
  }
  acc->a = a;
  acc->b = b;
  acc->c = c;
  acc->d = d;
}

/* `count` pixels, at most four. */
CPCC_INLINE void pixels(const cpcc_conv2d_nibbles_t *layer, const int8_t *x, int8_t *y, int32_t count, int tflite) {
  const cpcc_window_t *window = &layer->window;
  const int32_t run = layer->kernel_w * window->channels, pitch = cpcc_pad_pitch(window);
  const int32_t step = window->stride_w * window->channels, channels = layer->out_channels;
  const int32_t last = count - 1, second = cpcc_min(last, 1), third = cpcc_min(last, 2);
  const int32_t at[3] = {second * step, third * step, last * step};
  const uint8_t *multiples = layer->multiples;
  for (int32_t out = 0; out < channels; out++, y++) {
    const int32_t bias = layer->output.bias[out], size = layer->steps[out];
    row_t acc = {0, 0, 0, 0};
    for (int32_t ky = 0; ky < layer->kernel_h; ky++, multiples += (run + 1) / 2) {
      dot4(multiples, run, x + ky * pitch, at, &acc);
    }
    y[0] = cpcc_requantize_as(tflite, &layer->output, out, bias + size * acc.a);
    y[second * channels] = cpcc_requantize_as(tflite, &layer->output, out, bias + size * acc.b);
    y[third * channels] = cpcc_requantize_as(tflite, &layer->output, out, bias + size * acc.c);
    y[last * channels] = cpcc_requantize_as(tflite, &layer->output, out, bias + size * acc.d);
  }
}

CPCC_INLINE void run(const cpcc_conv2d_nibbles_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const cpcc_window_t *window = &layer->window;
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = cpcc_pad_rows(window, x, scratch, layer->kernel_h, oy);
    for (int32_t left = window->out_w; left > 0; left -= PIXELS) {
      const int32_t count = cpcc_min(left, PIXELS);
      pixels(layer, p, y, count, tflite);
      p += count * window->stride_w * window->channels;
      y += count * layer->out_channels;
    }
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_conv2d_nibbles)
