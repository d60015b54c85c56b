/* What the sparse convolutions in portable C share: four neighbouring pixels at a time, so that each entry is read once for all. */
#ifndef CPCC_RUNS_H
#define CPCC_RUNS_H

#include "cpcc_pad.h"

#define CPCC_RUN 255

/* The stream has, per output channel and kernel row: a count, so many entries, and where there are CPCC_RUN of them the next count of
 * the same row. An entry begins with its distance from the one before, the first one's from the row's first input; the rest is
 * the kernel's. cpcc/formats/runs.py writes it. */
typedef struct {
  cpcc_window_t window;
  int32_t kernel_h, out_channels;
  const uint8_t *stream;
  cpcc_output_t output;
} cpcc_runs_t;

typedef struct {
  int32_t rows, pitch;         /* kernel rows, bytes from one to the next */
  int32_t second, third, last; /* bytes from the first pixel's window to the others' */
  int32_t bits;                /* of a weight of few levels */
} cpcc_runs_four_t;

typedef struct {
  int32_t a, b, c, d;
} cpcc_runs_sums_t;

/* The sums of one channel; gives the stream behind it. Kernels leave it out of line: registers suffice so. */
typedef const uint8_t *(*cpcc_runs_dot_t)(const uint8_t *stream, const int8_t *x, const cpcc_runs_four_t *four,
                                          cpcc_runs_sums_t *sums);

/* At a row's end several of the four pixels are the same one. `steps` by channel multiply the sums, 0: there are none. */
CPCC_INLINE void cpcc_runs(const cpcc_runs_t *layer, const uint8_t *steps, int32_t bits, cpcc_runs_dot_t dot, const int8_t *x,
                           int8_t *y, int8_t *scratch, int tflite) {
  const cpcc_window_t *window = &layer->window;
  const int32_t step = window->stride_w * window->channels, channels = layer->out_channels;
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = cpcc_pad_rows(window, x, scratch, layer->kernel_h, oy);
    for (int32_t left = window->out_w; left > 0; left -= 4) {
      const int32_t count = cpcc_min(left, 4), last = count - 1, second = cpcc_min(last, 1), third = cpcc_min(last, 2);
      const cpcc_runs_four_t four = {layer->kernel_h, cpcc_pad_pitch(window), second * step, third * step, last * step, bits};
      const uint8_t *stream = layer->stream;
      for (int32_t out = 0; out < channels; out++, y++) {
        const int32_t bias = layer->output.bias[out], size = steps != 0 ? steps[out] : 1;
        cpcc_runs_sums_t sums;
        stream = dot(stream, p, &four, &sums);
        y[0] = cpcc_requantize_as(tflite, &layer->output, out, bias + size * sums.a);
        y[second * channels] = cpcc_requantize_as(tflite, &layer->output, out, bias + size * sums.b);
        y[third * channels] = cpcc_requantize_as(tflite, &layer->output, out, bias + size * sums.c);
        y[last * channels] = cpcc_requantize_as(tflite, &layer->output, out, bias + size * sums.d);
      }
      p += count * step;
      y += last * channels;
    }
  }
}

#endif
