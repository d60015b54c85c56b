#include "cpcc_tiles8.h"

#define MOVED_BEYOND 8 /* words that cpcc_tiles8_move may touch behind the rows */

void cpcc_tiles8_fill(uint32_t *d, uint32_t word, int32_t count) {
  for (; count >= 4; count -= 4) {
    d = cpcc_store2(cpcc_store2(d, word, word), word, word);
  }
  for (; count > 0; count--) {
    *d++ = word;
  }
}

cpcc_tiles8_call_t cpcc_tiles8_begin(const cpcc_tiles8_t *layer, const int8_t *x, int8_t *scratch) {
  uint32_t *rows = (uint32_t *)(void *)scratch;
  cpcc_tiles8_column_t *columns =
      (cpcc_tiles8_column_t *)(void *)(rows + layer->kernel_h * layer->row_words + MOVED_BEYOND);
  int8_t *border = (int8_t *)(columns + layer->words);
  const int32_t border_bytes = layer->window.channels / 4 * 4 + 4;
  const cpcc_tiles8_call_t call = {layer, x, rows, columns, border, border + border_bytes,
                                   {columns, columns + layer->words, layer->fours, layer->pitch, layer->rest, x}};
  for (int32_t i = 0; i < border_bytes; i++) {
    border[i] = (int8_t)layer->window.pad_value;
  }
  return call;
}

void cpcc_tiles8_columns(const cpcc_tiles8_call_t *call, int32_t left) {
  const cpcc_tiles8_t *layer = call->layer;
  const uint32_t width = (uint32_t)layer->window.in_w;
  const int32_t far = 4 * layer->window.stride_w, border = cpcc_tiles8_place(call->x, call->border);
  for (int32_t i = 0; i < layer->words; i++) {
    const int32_t first = layer->columns[i], second = first + far;
    const int32_t a_in = (uint32_t)(left + first) < width, b_in = (uint32_t)(left + second) < width;
    const cpcc_tiles8_column_t column = {a_in ? first * layer->in_step : border, -a_in,
                                          b_in ? second * layer->in_step : border, -b_in};
    call->columns[i] = column;
  }
}

void cpcc_tiles8_keep(const cpcc_tiles8_call_t *call, int8_t *y, int32_t count) {
  const int32_t channels = call->layer->out_channels;
  const int8_t *s = call->spare;
  for (; count > 0; count--, y += call->layer->out_step) {
    for (int32_t i = 0; i < channels; i++) {
      y[i] = *s++;
    }
  }
}

#if CPCC_DSP
__asm__(
    ".syntax unified\n.section .text.cpcc_tiles8_move, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_tiles8_move\n.type cpcc_tiles8_move, %function\n.thumb_func\n"
    "cpcc_tiles8_move:\n"
    " push {r4-r11, lr}\n"
    "1: ldmia.w r1!, {r4-r11}\n stmia.w r0!, {r4-r11}\n subs r2, #8\n bgt 1b\n"
    " pop {r4-r11, pc}\n"
    ".size cpcc_tiles8_move, . - cpcc_tiles8_move\n.text\n");
#else
void cpcc_tiles8_move(uint32_t *d, const uint32_t *s, int32_t words) {
  for (; words > 0; words -= 8) {
    for (int32_t i = 0; i < 8; i++) {
      *d++ = *s++;
    }
  }
}
#endif
