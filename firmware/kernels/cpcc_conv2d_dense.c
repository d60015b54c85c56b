#include "cpcc_conv2d_dense.h"

#include "cpcc_pad.h"

#define PIXELS 4

typedef struct {
  int32_t rows;   /* of the kernel */
  int32_t run;    /* contiguous products in one of them */
  int32_t stride; /* elements from one input row to the next */
} patch_t;

typedef struct {
  int32_t a, b, c, d;
} row_t;

/* One row of the kernel over four neighbouring pixels, `step` apart: each weight is loaded once for all. Written out and
 * not inlined: the compiler keeps an array of accumulators in memory, and the loops around an inlined copy take its
 * registers. */
CPCC_NOINLINE static void dot4(const int8_t *w, int32_t run, const int8_t *x, int32_t step, row_t *acc) {
  const int8_t *x1 = x + step, *x2 = x1 + step, *x3 = x2 + step;
  int32_t a = acc->a, b = acc->b, c = acc->c, d = acc->d;
  for (int32_t i = 0; i < run; i++) {
    const int32_t weight = w[i];
    a += weight * x[i];
    b += weight * x1[i];
    c += weight * x2[i];
    d += weight * x3[i];
  }
  acc->a = a;
  acc->b = b;
  acc->c = c;
  acc->d = d;
}

CPCC_INLINE void four_pixels(const cpcc_conv2d_dense_t *layer, const patch_t *patch, const int8_t *x, int32_t step,
                             int8_t *y, int tflite) {
  const int32_t channels = layer->out_channels;
  const int8_t *w = layer->weights;
  for (int32_t out = 0; out < channels; out++) {
    const int32_t bias = layer->output.bias[out];
    row_t acc = {bias, bias, bias, bias};
    for (int32_t ky = 0; ky < patch->rows; ky++) {
      dot4(w, patch->run, x + ky * patch->stride, step, &acc);
      w += patch->run;
    }
    y[out] = cpcc_requantize_as(tflite, &layer->output, out, acc.a);
    y[channels + out] = cpcc_requantize_as(tflite, &layer->output, out, acc.b);
    y[2 * channels + out] = cpcc_requantize_as(tflite, &layer->output, out, acc.c);
    y[3 * channels + out] = cpcc_requantize_as(tflite, &layer->output, out, acc.d);
  }
}

CPCC_INLINE void one_pixel(const cpcc_conv2d_dense_t *layer, const patch_t *patch, const int8_t *x, int8_t *y,
                           int tflite) {
  const int8_t *w = layer->weights;
  for (int32_t out = 0; out < layer->out_channels; out++) {
    int32_t acc = layer->output.bias[out];
    for (int32_t ky = 0; ky < patch->rows; ky++) {
      const int8_t *p = x + ky * patch->stride;
      for (int32_t i = 0; i < patch->run; i++) {
        acc += *w++ * p[i];
      }
    }
    y[out] = cpcc_requantize_as(tflite, &layer->output, out, acc);
  }
}

CPCC_INLINE void run(const cpcc_conv2d_dense_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const cpcc_window_t *window = &layer->window;
  const int32_t step = window->stride_w * window->channels;
  const patch_t patch = {layer->kernel_h, layer->kernel_w * window->channels, cpcc_pad_pitch(window)};
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = cpcc_pad_rows(window, x, scratch, layer->kernel_h, oy);
    int32_t ox = 0;
    for (; ox + PIXELS <= window->out_w; ox += PIXELS) {
      four_pixels(layer, &patch, p, step, y, tflite);
      p += PIXELS * step;
      y += PIXELS * layer->out_channels;
    }
    for (; ox < window->out_w; ox++) {
      one_pixel(layer, &patch, p, y, tflite);
      p += step;
      y += layer->out_channels;
    }
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_conv2d_dense)
