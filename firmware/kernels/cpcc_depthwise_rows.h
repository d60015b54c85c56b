/* What the depthwise convolutions in portable C with packed weights share: a row of sums for one channel after the other, so that each
 * weight is unpacked once for a row of the image. */
#ifndef CPCC_DEPTHWISE_ROWS_H
#define CPCC_DEPTHWISE_ROWS_H

#include "cpcc_pad.h"

typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, kernel_w;
  cpcc_output_t output;
} cpcc_depthwise_rows_t;

/* How far the weights are read: channel by channel, and tap by tap of its kernel's rows. */
typedef struct {
  int32_t bit;
  const int8_t *weight;
} cpcc_depthwise_place_t;

/* The next weight, of `bits` at `place` in `fields`, or 0. */
typedef int32_t (*cpcc_depthwise_next_t)(const uint8_t *fields, int32_t bits, cpcc_depthwise_place_t *place);

CPCC_NOINLINE static void cpcc_depthwise_add(int32_t *sums, int32_t count, int32_t weight, const int8_t *x, int32_t step) {
  for (int32_t i = 0; i < count; i++, x += step) {
    sums[i] += weight * *x;
  }
}

/* scratch: 4 * out_w bytes, then those of cpcc_pad_rows. `steps` by channel, `stride` apart, multiply the sums, 0: there are none. */
CPCC_INLINE void cpcc_depthwise_rows(const cpcc_depthwise_rows_t *layer, const uint8_t *fields, int32_t bits, const int8_t *weights,
                                     const uint8_t *steps, int32_t stride, cpcc_depthwise_next_t next, const int8_t *x, int8_t *y,
                                     int8_t *scratch, int tflite) {
  const cpcc_window_t *window = &layer->window;
  const int32_t channels = window->channels, width = window->out_w, pitch = cpcc_pad_pitch(window);
  int32_t *sums = (int32_t *)(void *)scratch;
  for (int32_t oy = 0; oy < window->out_h; oy++, y += width * channels) {
    const int8_t *rows = cpcc_pad_rows(window, x, scratch + 4 * width, layer->kernel_h, oy);
    cpcc_depthwise_place_t place = {0, weights};
    for (int32_t c = 0; c < channels; c++) {
      for (int32_t i = 0; i < width; i++) {
        sums[i] = 0;
      }
      for (int32_t ky = 0; ky < layer->kernel_h; ky++) {
        for (int32_t kx = 0; kx < layer->kernel_w; kx++) {
          const int32_t weight = next(fields, bits, &place);
          if (weight != 0) {
            cpcc_depthwise_add(sums, width, weight, rows + ky * pitch + kx * channels + c, window->stride_w * channels);
          }
        }
      }
      const int32_t bias = layer->output.bias[c], size = steps != 0 ? steps[c * stride] : 1;
      for (int32_t i = 0; i < width; i++) {
        y[i * channels + c] = cpcc_requantize_as(tflite, &layer->output, c, bias + size * sums[i]);
      }
    }
  }
}

#endif
