#include "cpcc_depthwise_conv2d_wide.h"

#include "cpcc_pad_wide.h"

/* Channel `c` of the patch at `x`, whose rows are `row` apart. */
CPCC_INLINE int16_t one_output(const cpcc_depthwise_conv2d_wide_t *layer, const int16_t *x, int32_t row, int32_t c,
                               int is_long) {
  const cpcc_wide_output_t *output = &layer->output;
  const int32_t channels = layer->window.channels, width = layer->kernel_w;
  const int8_t *w = layer->weights + c;
  int32_t acc = output->bias[c];
  int64_t sum = acc;
  x += c;
  for (int32_t ky = 0; ky < layer->kernel_h; ky++, w += width * channels, x += row) {
    if (is_long) {
      sum = cpcc_wide_dot_long(sum, w, channels, x, channels, width);
    } else {
      acc = cpcc_wide_dot(acc, w, channels, x, channels, width);
    }
  }
  return is_long ? cpcc_wide_round_long(output, c, sum) : cpcc_wide_round(output, c, acc);
}

CPCC_INLINE void run(const cpcc_depthwise_conv2d_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch,
                     int is_long) {
  const cpcc_window_t *window = &layer->window;
  const int32_t row = (window->left + window->in_w + window->right) * window->channels;
  const int16_t *line = cpcc_pad_wide(window, x, scratch);
  for (int32_t oy = 0; oy < window->out_h; oy++, line += window->stride_h * row) {
    const int16_t *p = line;
    for (int32_t ox = 0; ox < window->out_w; ox++, p += window->stride_w * window->channels) {
      for (int32_t c = 0; c < window->channels; c++) {
        *y++ = one_output(layer, p, row, c, is_long);
      }
    }
  }
}

CPCC_BOTH_SUMS(cpcc_depthwise_conv2d_wide)
