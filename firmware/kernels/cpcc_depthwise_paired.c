#include "cpcc_depthwise_paired.h"

#include "cpcc_rounding.h"
#include "cpcc_rows2.h"
#include "cpcc_saturate.h"

typedef struct {
  const cpcc_depthwise_paired_t *layer;
  const int8_t *x; /* of the four channels, as are these */
  const int32_t *stream, *constants;
  uint32_t *pairs;
  int32_t step;     /* words to the next strip; behind the strips held there is a spare one */
  uint32_t border;  /* four padding values */
  int32_t columns;  /* of the padded input */
} four_t;

/* Padding in the columns before and behind the input, which no row changes. */
static void fill_borders(const four_t *four) {
  const cpcc_window_t *window = &four->layer->window;
  const uint32_t word = 0x00010001u * (uint16_t)window->pad_value;
  const int32_t strips = cpcc_max(four->layer->strips, 2); /* with the spare one where it takes turns */
  for (int32_t strip = 0; strip < strips; strip++) {
    for (int32_t i = 0; i < four->columns; i++) {
      uint32_t *d = four->pairs + (strip * four->columns + i) * CPCC_COLUMN_WORDS;
      const int32_t inside = i >= window->left && i < window->left + window->in_w;
      for (int32_t k = 0; k < CPCC_COLUMN_WORDS && !inside; k++) {
        d[k] = word;
      }
    }
  }
}

/* Input rows `row` and `row + 1` as the lower words of strip `strip - 1` and the upper words of strip `strip`. */
static void pair_rows(const four_t *four, int32_t row, int32_t strip) {
  const cpcc_window_t *window = &four->layer->window;
  const int32_t channels = window->channels, width = window->in_w * channels;
  const int8_t *border = (const int8_t *)&four->border;
  const int32_t p = row >= 0 && row < window->in_h, q = row >= -1 && row + 1 < window->in_h;
  const cpcc_row_pair_t rows = {p ? four->x + row * width : border, q ? four->x + (row + 1) * width : border,
                                p ? channels : 0, q ? channels : 0};
  uint32_t *first = four->pairs + window->left * CPCC_COLUMN_WORDS;
  const int32_t before = strip > 0 ? strip - 1 : four->layer->strips; /* the spare one takes what none wants */
  cpcc_pair_columns(&rows, first + before * four->step, first + strip * four->step, window->in_w);
}

/* The last lower words as the first upper ones: the next strips begin where these end. Where one strip is held, they are in
 * the spare one already, and the two change places. */
static void carry_over(four_t *four) {
  const cpcc_window_t *window = &four->layer->window;
  if (four->layer->strips == 1) {
    four->pairs += four->step;
    four->step = -four->step;
    return;
  }
  uint32_t *d = four->pairs + window->left * CPCC_COLUMN_WORDS;
  const uint32_t *s = d + (four->layer->strips - 1) * four->step;
  for (int32_t i = window->in_w; i > 0; i--, d += CPCC_COLUMN_WORDS, s += CPCC_COLUMN_WORDS) {
    const uint32_t w0 = s[1], w1 = s[3], w2 = s[5], w3 = s[7];
    d[0] = w0;
    d[2] = w1;
    d[4] = w2;
    d[6] = w3;
  }
}

/* `rows` output rows, as many as the strips held have or fewer. */
static void multiply(const four_t *four, int8_t *y, int32_t rows) {
  const cpcc_window_t *window = &four->layer->window;
  const int32_t row = window->out_w * window->channels;
  cpcc_rows2_t job = {four->layer->zero_point, window->channels, row, window->out_w, rows / 2, four->layer->rounding,
                      four->constants};
  if (rows > 1) {
    cpcc_rows2(four->pairs, y, four->stream, &job);
  }
  if (rows % 2 != 0) {
    const uint32_t *last = four->pairs + job.strips * four->columns * CPCC_COLUMN_WORDS;
    y += 2 * job.strips * row;
    job.strips = 1;
    job.row = 0;
    cpcc_rows2(last, y, four->stream, &job);
  }
}

static void four_channels(const four_t *all, int8_t *y) {
  const cpcc_window_t *window = &all->layer->window;
  const int32_t held = 2 * all->layer->strips;
  four_t own = *all, *four = &own;
  pair_rows(four, -window->top, 0);
  for (int32_t oy = 0; oy < window->out_h; oy += held) {
    const int32_t rows = cpcc_min(window->out_h - oy, held);
    for (int32_t i = 1; 2 * i < rows + 2; i++) {
      pair_rows(four, oy + 2 * i - window->top, i);
    }
    multiply(four, y + oy * window->out_w * window->channels, rows);
    if (oy + held < window->out_h) {
      carry_over(four);
    }
  }
}

void cpcc_depthwise_paired(const cpcc_depthwise_paired_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t channels = window->channels, words = 4 * (1 + cpcc_channel_words(layer->rounding));
  const int32_t columns = window->left + window->in_w + window->right;
  uint32_t *pairs = (uint32_t *)(void *)scratch;
  four_t four = {.layer = layer, .x = x, .stream = layer->stream, .constants = layer->constants, .pairs = pairs,
                 .step = columns * CPCC_COLUMN_WORDS, .border = 0x01010101u * (uint8_t)window->pad_value,
                 .columns = columns};
  fill_borders(&four);
  for (int32_t at = 0; at < channels; at += 4) {
    const int32_t first = cpcc_min(at, channels - 4);
    four.x = x + first;
    four_channels(&four, y + first);
    four.stream += 4 * CPCC_ROWS2_WEIGHTS;
    four.constants += words;
  }
  cpcc_saturate(y, window->out_h * window->out_w * channels, layer->low, layer->high);
}
