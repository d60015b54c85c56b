#ifndef CPCC_TWIN_H
#define CPCC_TWIN_H

#include "cpcc_fixed.h"
#include "cpcc_strip.h"

/* What the depthwise kernels that compute two neighbouring pixels at a time share. In the order of their assembly. */
typedef struct {
  int32_t next; /* from the first pixel's window to the second one's; 0: both are one */
  int32_t next_y;
  int32_t channels; /* a multiple of 4 */
  int32_t runs;
  int32_t tap, skip; /* bytes between taps; from the end of one run to the start of the next */
  uint32_t entry;    /* into the unrolled taps */
  int32_t zero_point;
  int32_t rounding; /* cpcc_rounding_t */
  int32_t taps;     /* of one run */
  int32_t low, high;
  uint32_t epilogue; /* code of the rounding, where it is not chosen by `rounding` */
} cpcc_twin_t;

/* Where the groups of four channels begin that a run computes. */
typedef struct {
  const int32_t *weights, *constants;
} cpcc_twin_groups_t;

/* job->channels channels of two pixels. */
typedef void cpcc_twin_pair_t(const int8_t *x, int8_t *y, const cpcc_twin_groups_t *groups, const cpcc_twin_t *job);

/* All channels of two pixels; the last four, the second of `groups`, overlap the ones before where they are no multiple of 4. */
CPCC_INLINE void cpcc_twin_pair(cpcc_twin_pair_t *run, int32_t channels, const int8_t *x, int8_t *y,
                                const cpcc_twin_groups_t groups[2], const cpcc_twin_t *job) {
  run(x, y, groups, job);
  if (job->channels != channels) {
    cpcc_twin_t last = *job;
    last.channels = 4;
    run(x + channels - 4, y + channels - 4, groups + 1, &last);
  }
}

/* All rows. `job` has its runs, taps, entry, rounding and limits; a group of four channels has `words` of constants. */
CPCC_INLINE void cpcc_twin_rows(cpcc_twin_pair_t *run, const cpcc_window_t *window, int32_t kernel_h, cpcc_twin_t job,
                                cpcc_twin_groups_t first, int32_t words, const int8_t *x, int8_t *y, int8_t *scratch) {
  const int32_t whole = window->channels / 4;
  const cpcc_twin_groups_t groups[2] = {
      first, {first.weights + whole * job.runs * job.taps, first.constants + whole * words}};
  const int32_t channels = window->channels, step = window->stride_w * channels;
  const cpcc_strip_t strip = cpcc_strip(window, x, scratch, kernel_h, 1);
  job.next = step;
  job.next_y = channels;
  job.channels = 4 * whole;
  job.tap = job.runs == 1 && kernel_h > 1 ? strip.pitch : channels;
  job.skip = strip.pitch - job.taps * job.tap;
  cpcc_twin_t single = job;
  single.next = 0;
  single.next_y = 0;
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    const int8_t *p = cpcc_strip_move(&strip, oy);
    int32_t left = window->out_w;
    for (; left > 1; left -= 2, p += 2 * step, y += 2 * channels) {
      cpcc_twin_pair(run, channels, p, y, groups, &job);
    }
    if (left > 0) {
      cpcc_twin_pair(run, channels, p, y, groups, &single);
      y += channels;
    }
  }
}

#endif
