#include "cpcc_conv2d_wide.h"

#include "cpcc_pad_wide.h"

/* The patch at `x`: kernel_h runs of `run` inputs, `row` apart. */
CPCC_INLINE int16_t one_output(const cpcc_conv2d_wide_t *layer, const int16_t *x, int32_t run, int32_t row, int32_t out,
                               int is_long) {
  const cpcc_wide_output_t *output = &layer->output;
  const int8_t *w = layer->weights + out * layer->kernel_h * run;
  int32_t acc = output->bias[out];
  int64_t sum = acc;
  for (int32_t ky = 0; ky < layer->kernel_h; ky++, w += run, x += row) {
    if (is_long) {
      sum = cpcc_wide_dot_long(sum, w, 1, x, 1, run);
    } else {
      acc = cpcc_wide_dot(acc, w, 1, x, 1, run);
    }
  }
  return is_long ? cpcc_wide_round_long(output, out, sum) : cpcc_wide_round(output, out, acc);
}

CPCC_INLINE void run(const cpcc_conv2d_wide_t *layer, const int16_t *x, int16_t *y, int8_t *scratch, int is_long) {
  const cpcc_window_t *window = &layer->window;
  const int32_t patch = layer->kernel_w * window->channels;
  const int32_t row = (window->left + window->in_w + window->right) * window->channels;
  const int16_t *line = cpcc_pad_wide(window, x, scratch);
  for (int32_t oy = 0; oy < window->out_h; oy++, line += window->stride_h * row) {
    const int16_t *p = line;
    for (int32_t ox = 0; ox < window->out_w; ox++, p += window->stride_w * window->channels) {
      for (int32_t out = 0; out < layer->out_channels; out++) {
        *y++ = one_output(layer, p, patch, row, out, is_long);
      }
    }
  }
}

CPCC_BOTH_SUMS(cpcc_conv2d_wide)
