#ifndef CPCC_SPARSE8_LOAD_H
#define CPCC_SPARSE8_LOAD_H

#include "cpcc_dsp.h"

/* The two pixels of a word of cpcc_sparse8.h. One inside the image lies `first` bytes from the row's place and its mask is
 * -1; one beyond lies at `first` and its mask is 0. Places are addresses, on the host distances from one. */
typedef struct {
  int32_t first, first_mask;
  int32_t second, second_mask;
} cpcc_sparse8_column_t;

typedef struct {
  const cpcc_sparse8_column_t *columns, *end;
  int32_t fours;       /* of channels, whole ones */
  int32_t pitch;       /* bytes of a channel's words */
  int32_t rest;        /* channels left */
  const int8_t *base;  /* what places count from on the host */
} cpcc_sparse8_load_t;

static inline int32_t cpcc_sparse8_place(const int8_t *base, const int8_t *p) {
#if CPCC_DSP
  (void)base;
  return (int32_t)p;
#else
  return (int32_t)(p - base);
#endif
}

static inline const int8_t *cpcc_sparse8_at(const int8_t *base, int32_t place) {
#if CPCC_DSP
  (void)base;
  return (const int8_t *)place;
#else
  return base + place;
#endif
}

/* The words of all channels of an input row at `row`. */
void cpcc_sparse8_load(uint32_t *d, int32_t row, const cpcc_sparse8_load_t *job);

/* Moves words, eight at a time, to lower addresses: up to seven more than `words`, which is at least one. */
void cpcc_sparse8_move(uint32_t *d, const uint32_t *s, int32_t words);

#endif
