#include "cpcc_pad_wide.h"

static int16_t *zeros(int16_t *p, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    *p++ = 0;
  }
  return p;
}

const int16_t *cpcc_pad_wide(const cpcc_window_t *window, const int16_t *x, int8_t *scratch) {
  int16_t *const padded = (int16_t *)(void *)scratch;
  if ((window->top | window->bottom | window->left | window->right) == 0) {
    return x;
  }
  const int32_t row = window->in_w * window->channels;
  const int32_t left = window->left * window->channels;
  const int32_t right = window->right * window->channels;
  int16_t *p = zeros(padded, window->top * (left + row + right));
  for (int32_t y = 0; y < window->in_h; y++) {
    p = zeros(p, left);
    for (int32_t i = 0; i < row; i++) {
      *p++ = *x++;
    }
    p = zeros(p, right);
  }
  (void)zeros(p, window->bottom * (left + row + right));
  return padded;
}
