#include "cpcc_strip.h"

#include "cpcc_dsp.h"

cpcc_strip_t cpcc_strip(const cpcc_window_t *window, const int8_t *x, int8_t *scratch, int32_t kernel_h,
                        int32_t outputs) {
  const int32_t padded = window->top | window->bottom | window->left | window->right;
  const cpcc_strip_t strip = {
      window, x, padded ? scratch : 0, kernel_h + (outputs - 1) * window->stride_h,
      (window->left + window->in_w + window->right) * window->channels, outputs * window->stride_h,
  };
  return strip;
}

static int8_t *fill(int8_t *d, int32_t count, int8_t value) {
  const uint32_t word = 0x01010101u * (uint8_t)value;
  for (; count >= 4; count -= 4, d += 4) {
    cpcc_store4(d, word);
  }
  for (; count > 0; count--) {
    *d++ = value;
  }
  return d;
}

/* Towards lower addresses the two may overlap. */
static int8_t *copy(int8_t *d, const int8_t *s, int32_t count) {
  for (; count >= 16; count -= 16, d += 16, s += 16) {
    const uint32_t a = cpcc_load4(s), b = cpcc_load4(s + 4), e = cpcc_load4(s + 8), f = cpcc_load4(s + 12);
    cpcc_store4(d, a);
    cpcc_store4(d + 4, b);
    cpcc_store4(d + 8, e);
    cpcc_store4(d + 12, f);
  }
  for (; count >= 4; count -= 4, d += 4, s += 4) {
    cpcc_store4(d, cpcc_load4(s));
  }
  for (; count > 0; count--) {
    *d++ = *s++;
  }
  return d;
}

static void load_row(const cpcc_strip_t *strip, int8_t *d, int32_t row) {
  const cpcc_window_t *window = strip->window;
  const int32_t channels = window->channels, width = window->in_w * channels;
  const int8_t value = (int8_t)window->pad_value;
  if (row < 0 || row >= window->in_h) {
    (void)fill(d, strip->pitch, value);
  } else {
    d = fill(d, window->left * channels, value);
    d = copy(d, strip->x + row * width, width);
    (void)fill(d, window->right * channels, value);
  }
}

const int8_t *cpcc_strip_move(const cpcc_strip_t *strip, int32_t oy) {
  const int32_t first = oy * strip->window->stride_h - strip->window->top;
  if (strip->copy == 0) {
    return strip->x + first * strip->pitch;
  }
  const int32_t kept = oy == 0 ? 0 : cpcc_max(strip->rows - strip->step, 0);
  (void)copy(strip->copy, strip->copy + (strip->rows - kept) * strip->pitch, kept * strip->pitch);
  for (int32_t i = kept; i < strip->rows; i++) {
    load_row(strip, strip->copy + i * strip->pitch, first + i);
  }
  return strip->copy;
}
