#include "cpcc_pad.h"

static int8_t *fill(int8_t *p, int32_t count, int8_t value) {
  for (int32_t i = 0; i < count; i++) {
    *p++ = value;
  }
  return p;
}

const int8_t *cpcc_pad(const cpcc_window_t *window, const int8_t *x, int8_t *scratch) {
  if ((window->top | window->bottom | window->left | window->right) == 0) {
    return x;
  }
  const int8_t value = (int8_t)window->pad_value;
  const int32_t row = window->in_w * window->channels;
  const int32_t left = window->left * window->channels;
  const int32_t right = window->right * window->channels;
  int8_t *p = fill(scratch, window->top * (left + row + right), value);
  for (int32_t y = 0; y < window->in_h; y++) {
    p = fill(p, left, value);
    for (int32_t i = 0; i < row; i++) {
      *p++ = *x++;
    }
    p = fill(p, right, value);
  }
  (void)fill(p, window->bottom * (left + row + right), value);
  return scratch;
}
