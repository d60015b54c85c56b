#include "cpcc_depthwise_conv2d.h"

#include "cpcc_pad.h"

static int32_t channel_dot(const cpcc_depthwise_conv2d_t *layer, const int8_t *x, const int8_t *w, int32_t row) {
  const int32_t channels = layer->window.channels;
  int32_t acc = 0;
  for (int32_t ky = 0; ky < layer->kernel_h; ky++) {
    const int8_t *p = x;
    for (int32_t kx = 0; kx < layer->kernel_w; kx++) {
      acc += *w * *p;
      w += channels;
      p += channels;
    }
    x += row;
  }
  return acc;
}

CPCC_INLINE void run(const cpcc_depthwise_conv2d_t *layer, const int8_t *x, int8_t *y, int8_t *scratch, int tflite) {
  const cpcc_window_t *window = &layer->window;
  const int32_t channels = window->channels;
  const int32_t row = cpcc_pad_pitch(window);
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = cpcc_pad_rows(window, x, scratch, layer->kernel_h, oy);
    for (int32_t ox = 0; ox < window->out_w; ox++) {
      for (int32_t c = 0; c < channels; c++) {
        const int32_t acc = channel_dot(layer, p + c, layer->weights + c, row);
        *y++ = cpcc_requantize_as(tflite, &layer->output, c, acc + layer->output.bias[c]);
      }
      p += window->stride_w * channels;
    }
  }
}

CPCC_BOTH_ROUNDINGS(cpcc_depthwise_conv2d)
