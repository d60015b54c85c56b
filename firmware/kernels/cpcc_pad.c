#include "cpcc_pad.h"

#include "cpcc_dsp.h"

static int8_t *fill(int8_t *p, int32_t count, int8_t value) {
  for (int32_t i = 0; i < count; i++) {
    *p++ = value;
  }
  return p;
}

static int8_t *copy(int8_t *p, const int8_t *from, int32_t count) {
  for (; count >= 4; count -= 4, p += 4, from += 4) {
    cpcc_store4(p, cpcc_load4(from));
  }
  for (; count > 0; count--) {
    *p++ = *from++;
  }
  return p;
}

const int8_t *cpcc_pad_rows(const cpcc_window_t *window, const int8_t *x, int8_t *scratch, int32_t rows, int32_t oy) {
  const int8_t value = (int8_t)window->pad_value;
  const int32_t width = window->in_w * window->channels, first = oy * window->stride_h - window->top;
  int8_t *p = scratch;
  if ((window->top | window->bottom | window->left | window->right) == 0) {
    return x + first * width;
  }
  for (int32_t row = first; row < first + rows; row++) {
    if ((uint32_t)row < (uint32_t)window->in_h) {
      p = fill(p, window->left * window->channels, value);
      p = copy(p, x + row * width, width);
      p = fill(p, window->right * window->channels, value);
    } else {
      p = fill(p, cpcc_pad_pitch(window), value);
    }
  }
  return scratch;
}
