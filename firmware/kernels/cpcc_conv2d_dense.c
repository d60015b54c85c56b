#include "cpcc_conv2d_dense.h"

#include "cpcc_pad.h"

typedef struct {
  int32_t rows;   /* of the kernel */
  int32_t run;    /* contiguous products in one of them */
  int32_t stride; /* elements from one input row to the next */
} patch_t;

static int32_t dot(const patch_t *patch, const int8_t *x, const int8_t *w) {
  int32_t acc = 0;
  for (int32_t ky = 0; ky < patch->rows; ky++) {
    for (int32_t i = 0; i < patch->run; i++) {
      acc += *w++ * x[i];
    }
    x += patch->stride;
  }
  return acc;
}

/* Two output channels over one patch: each input is loaded once for both. */
static void dot2(const patch_t *patch, const int8_t *x, const int8_t *a, const int8_t *b, int32_t acc[2]) {
  int32_t acc_a = 0;
  int32_t acc_b = 0;
  for (int32_t ky = 0; ky < patch->rows; ky++) {
    for (int32_t i = 0; i < patch->run; i++) {
      const int32_t value = x[i];
      acc_a += *a++ * value;
      acc_b += *b++ * value;
    }
    x += patch->stride;
  }
  acc[0] = acc_a;
  acc[1] = acc_b;
}

static int8_t *pixel(const cpcc_conv2d_dense_t *layer, const patch_t *patch, const int8_t *x, int8_t *y) {
  const int32_t size = patch->rows * patch->run;
  const int8_t *w = layer->weights;
  const int32_t *bias = layer->output.bias;
  int32_t out = 0;
  for (; out + 1 < layer->out_channels; out += 2) {
    int32_t acc[2];
    dot2(patch, x, w, w + size, acc);
    *y++ = cpcc_requantize(&layer->output, out, acc[0] + bias[out]);
    *y++ = cpcc_requantize(&layer->output, out + 1, acc[1] + bias[out + 1]);
    w += 2 * size;
  }
  if (out < layer->out_channels) {
    *y++ = cpcc_requantize(&layer->output, out, dot(patch, x, w) + bias[out]);
  }
  return y;
}

void cpcc_conv2d_dense(const cpcc_conv2d_dense_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t channels = window->channels;
  const int32_t row = (window->left + window->in_w + window->right) * channels;
  const patch_t patch = {layer->kernel_h, layer->kernel_w * channels, row};
  const int8_t *line = cpcc_pad(window, x, scratch);
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = line;
    for (int32_t ox = 0; ox < window->out_w; ox++) {
      y = pixel(layer, &patch, p, y);
      p += window->stride_w * channels;
    }
    line += window->stride_h * row;
  }
}
