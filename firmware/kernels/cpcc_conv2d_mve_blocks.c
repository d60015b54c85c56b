#include "cpcc_conv2d_mve_blocks.h"

#include "cpcc_mve.h"
#include "cpcc_strip.h"

enum { PIXELS = 8, VECTOR = 16 };

/* In the assembly's order. */
typedef struct {
  int32_t zero_point, low, high;
  const int32_t *constants;
  uint32_t epilogue;        /* code of the rounding */
  uint16_t offsets[PIXELS]; /* of the outputs of pixels 0, 4, 1, 5, 2, 6, 3, 7 */
  int32_t rounding;         /* cpcc_rounding_t */
} job_t;

void cpcc_mve_blocks(const int8_t *x, const uint8_t *stream, int8_t *y, const job_t *job);
void cpcc_mve_spread(int8_t *d, const int8_t *x, int32_t rows, int32_t run, int32_t pitch);

#if CPCC_MVE
extern const uint8_t cpcc_mve_blocks_roundings[];

/* Nineteen instructions for 128 products.
 *   r0 r2 r4 r6 r8 r10 r12 lr: sums   r1: stream   r3: distances   r5: input   r7: constants   r9: first input   r11: output
 *   q0 q1: inputs   q2: weights   q3: offsets   q4 q5: limits   q6: zero point   stack: epilogue */
#define PIXEL(mla, sum, q, at) " vldrb.8 " q ", [r5, #" at "]\n " mla ".s8 " sum ", " q ", q2\n"
#define BLOCK(mla)                                                                                   \
  " ldrb r3, [r1], #1\n add.w r5, r5, r3, lsl #7\n vldrb.8 q2, [r1], #16\n"                          \
  PIXEL(mla, "r0", "q0", "0") PIXEL(mla, "r2", "q1", "16") PIXEL(mla, "r4", "q0", "32")              \
  PIXEL(mla, "r6", "q1", "48") PIXEL(mla, "r8", "q0", "64") PIXEL(mla, "r10", "q1", "80")            \
  PIXEL(mla, "r12", "q0", "96") PIXEL(mla, "lr", "q1", "112")
#define JUMP " ldrsh r3, [r1], #2\n add pc, r3\n nop\n"
#define SUMS                                                                                               \
  " vmov q0[2], q0[0], r0, r4\n vmov q0[3], q0[1], r2, r6\n vmov q1[2], q1[0], r8, r12\n"                  \
  " vmov q1[3], q1[1], r10, lr\n"
#define BIAS " vadd.i32 q0, q0, r0\n vadd.i32 q1, q1, r0\n"
#define ONE_WORD " ldm r7!, {r0, r2}\n" BIAS
#define THREE_WORDS " ldm r7!, {r0, r2, r3, r5}\n" BIAS
#define TFLITE(a)                                                                                          \
  " vqrdmulh.s32 q2, " a ", r2\n vshr.s32 " a ", " a ", #31\n vadd.i32 " a ", " a ", q2\n"                 \
  " vadd.i32 " a ", " a ", r3\n vshl.s32 " a ", r5\n"
#define RELU(a) " vqrdmulh.s32 " a ", " a ", r2\n vadd.i32 " a ", " a ", r3\n vshl.s32 " a ", r5\n"
#define NARROW " vqmovnb.s32 q0, q0\n vqmovnt.s32 q0, q1\n"
#define OUTPUT " vmax.s16 q0, q0, q4\n vmin.s16 q0, q0, q5\n"
#define STORE " vstrb.16 q0, [r11, q3]\n add.w r11, r11, #1\n b.w 1b\n"
#define AT(distance) " .org cpcc_mve_blocks_roundings + " distance "\n"

__asm__(
    ".syntax unified\n.section .text.cpcc_mve_blocks, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_mve_blocks_roundings\n.global cpcc_mve_blocks\n.type cpcc_mve_blocks, %function\n.thumb_func\n"
    "cpcc_mve_blocks:\n"
    " push {r4-r11, lr}\n vpush {d8-d13}\n mov r9, r0\n mov r11, r2\n ldm.w r3!, {r4, r5, r6, r7, r8}\n"
    " vdup.16 q6, r4\n vdup.16 q4, r5\n vdup.16 q5, r6\n vldrh.16 q3, [r3]\n push {r8}\n b.n 1f\n"
    "2: add sp, #4\n vpop {d8-d13}\n pop {r4-r11, pc}\n"
    "1: mov r5, r9\n ldrsh r3, [r1], #2\n add pc, r3\n b.n 2b\n"
    BLOCK("vmladav") JUMP
    " .rept 8\n" BLOCK("vmladava") " .endr\n" JUMP
    SUMS " ldr.w pc, [sp]\n"
    " ldr r0, [r7], #4\n vdup.16 q0, r0\n" STORE
    "cpcc_mve_blocks_roundings:\n"
    ONE_WORD " vdup.32 q2, r2\n vrmulh.s32 q0, q0, q2\n vrmulh.s32 q1, q1, q2\n"
    NARROW " vqadd.s16 q0, q0, q6\n" OUTPUT STORE
    AT("128") THREE_WORDS TFLITE("q0") TFLITE("q1") NARROW OUTPUT STORE);
/* Compilers promise strings of 4095 characters: the rest is a statement of its own, right behind. */
__asm__(
    AT("256") THREE_WORDS RELU("q0") RELU("q1") NARROW OUTPUT STORE
    ".size cpcc_mve_blocks, . - cpcc_mve_blocks\n.text\n");

/* Three instructions for sixteen bytes.   r0: output   r1: input   r2: rows left   r3: vectors of a row   r4: pitch */
__asm__(
    ".syntax unified\n.section .text.cpcc_mve_spread, \"ax\", %progbits\n.thumb\n.p2align 2\n"
    ".global cpcc_mve_spread\n.type cpcc_mve_spread, %function\n.thumb_func\n"
    "cpcc_mve_spread:\n"
    " push {r4, lr}\n ldr r4, [sp, #8]\n"
    "1: mov r12, r1\n dls lr, r3\n"
    "2: vldrb.8 q0, [r12], #16\n vstrw.32 q0, [r0], #128\n le lr, 2b\n"
    " add r1, r4\n subs r2, #1\n bne.n 1b\n pop {r4, pc}\n"
    ".size cpcc_mve_spread, . - cpcc_mve_spread\n.text\n");

static uint32_t epilogue(int32_t rounding) { return ((uint32_t)cpcc_mve_blocks_roundings + 128u * (uint32_t)rounding) | 1u; }
#else
enum { BLOCK_BYTES = 76, BLOCKS = 8, LEAVE = -2, EMPTY = 84 + BLOCK_BYTES * BLOCKS + 8 + 20 };

static uint32_t epilogue(int32_t rounding) { return 0u * (uint32_t)rounding; }

static int32_t jump_at(const uint8_t **stream) {
  const uint8_t *p = *stream;
  *stream = p + 2;
  return (int16_t)(p[0] | p[1] << 8);
}

/* `count` blocks; gives the input of the last one. */
static const int8_t *blocks(const int8_t *x, const uint8_t **stream, int32_t count, int32_t *sums) {
  for (const uint8_t *w = *stream; count > 0; count--, w += 1 + VECTOR, *stream = w) {
    x += PIXELS * VECTOR * w[0];
    for (int32_t i = 0; i < PIXELS * VECTOR; i++) {
      sums[i / VECTOR] += (int8_t)w[1 + i % VECTOR] * x[i];
    }
  }
  return x;
}

/* All blocks of a channel. */
static void dot(const int8_t *x, const uint8_t **stream, int32_t *sums) {
  x = blocks(x, stream, 1, sums);
  int32_t jump = jump_at(stream);
  if (jump < BLOCK_BYTES * BLOCKS) {
    x = blocks(x, stream, BLOCKS - jump / BLOCK_BYTES, sums);
    for (jump = jump_at(stream); jump < 0; jump = jump_at(stream)) {
      x = blocks(x, stream, BLOCKS, sums);
    }
  }
}

static int8_t *output(int8_t *y, const job_t *job, int32_t pixel) { return y + job->offsets[2 * (pixel % 4) + pixel / 4]; }

/* Rounds the sums of a channel, whose constants these are, and stores; the constants of the next channel. */
static const int32_t *store(int8_t *y, const int32_t *constants, const int32_t *sums, const job_t *job) {
  int32_t vectors[12] = {0};
  for (int32_t i = 0; i < cpcc_channel_words(job->rounding); i++) {
    vectors[4 * i] = constants[1 + i];
  }
  for (int32_t pixel = 0; pixel < PIXELS; pixel++) {
    *output(y, job, pixel) = cpcc_mve_round(job->rounding, vectors, 0, job->zero_point, job->low, job->high,
                                            sums[pixel] + constants[0]);
  }
  return constants + 1 + cpcc_channel_words(job->rounding);
}

void cpcc_mve_blocks(const int8_t *x, const uint8_t *stream, int8_t *y, const job_t *job) {
  const int32_t *constants = job->constants;
  for (int32_t jump = jump_at(&stream); jump != LEAVE; jump = jump_at(&stream), y++) {
    int32_t sums[PIXELS] = {0};
    if (jump == EMPTY) {
      for (int32_t pixel = 0; pixel < PIXELS; pixel++) {
        *output(y, job, pixel) = (int8_t)*constants;
      }
      constants++;
    } else {
      dot(x, &stream, sums);
      constants = store(y, constants, sums, job);
    }
  }
}

void cpcc_mve_spread(int8_t *d, const int8_t *x, int32_t rows, int32_t run, int32_t pitch) {
  for (; rows > 0; rows--, x += pitch) {
    for (int32_t i = 0; i < run * VECTOR; i++) {
      d[i / VECTOR * PIXELS * VECTOR + i % VECTOR] = x[i];
    }
    d += run * PIXELS * VECTOR;
  }
}
#endif

/* Where the outputs of eight pixels of `channels` lie, the first `pixels` of which there are: the others are the last one again. */
static void place(job_t *job, int32_t pixels, int32_t channels) {
  for (int32_t i = 0; i < PIXELS; i++) {
    job->offsets[2 * (i % 4) + i / 4] = (uint16_t)(cpcc_min(i, pixels - 1) * channels);
  }
}

void cpcc_conv2d_mve_blocks(const cpcc_conv2d_mve_blocks_t *layer, const int8_t *x, int8_t *y, int8_t *scratch) {
  const cpcc_window_t *window = &layer->window;
  const int32_t rows = layer->kernel_h, run = layer->run, step = window->stride_w * window->channels;
  const cpcc_strip_t strip = cpcc_strip(window, x, scratch + PIXELS * VECTOR * rows * run, rows, 1);
  job_t job = {.zero_point = layer->zero_point, .low = layer->low, .high = layer->high,
               .constants = layer->constants, .epilogue = epilogue(layer->rounding), .rounding = layer->rounding};
  const int8_t *p = x;
  int32_t filled = 0;
  place(&job, PIXELS, layer->out_channels);
  for (int32_t oy = 0; oy < window->out_h; oy++) {
    p = cpcc_strip_move(&strip, oy);
    for (int32_t ox = 0; ox < window->out_w; ox++, p += step) {
      cpcc_mve_spread(scratch + VECTOR * filled, p, rows, run, strip.pitch);
      if (++filled == PIXELS) {
        cpcc_mve_blocks(scratch, layer->stream, y, &job);
        y += PIXELS * layer->out_channels;
        filled = 0;
      }
    }
  }
  if (filled > 0) {
    place(&job, filled, layer->out_channels);
    for (int32_t i = filled; i < PIXELS; i++) {
      cpcc_mve_spread(scratch + VECTOR * i, p - step, rows, run, strip.pitch);
    }
    cpcc_mve_blocks(scratch, layer->stream, y, &job);
  }
}
