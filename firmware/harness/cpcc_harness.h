/* The verification harness: one program over several wires (a pipe on the host, semihosting files in QEMU).
 *
 * Request:  uint32 mode, uint32 samples, then the samples.  mode bit 0: samples are quantized already (int8 or int16, in
 *           the arena's layout), else raw; bit 1: send every node.
 * Reply:    per sample, with bit 1 the quantized input and each layer's output, read from the arena right after the
 *           layer ran; then, from a second, uninterrupted run: the output bytes and the int32 score, 0 where the
 *           model has no decision.
 * Numbers are little-endian, as on every machine this runs on. */
#ifndef CPCC_HARNESS_H
#define CPCC_HARNESS_H

#include <stdint.h>

typedef struct {
  void (*run)(int8_t *arena);
  uint32_t offset; /* of the output in the arena */
  uint32_t bytes;
} cpcc_step_t;

typedef struct {
  const cpcc_step_t *steps;
  uint32_t step_count;
  uint32_t arena_bytes;
  uint32_t raw_bytes;
  uint32_t input_offset, input_bytes;
  uint32_t output_offset, output_bytes;
  int8_t *arena;
  void *raw; /* aligned for its type */
  void (*quantize)(const void *raw, int8_t *arena);
  void (*run)(int8_t *arena);
  int32_t (*score)(const int8_t *arena); /* 0 where the model has no decision */
} cpcc_model_t;

extern const cpcc_model_t cpcc_model;

/* Fill `data` with exactly `bytes`; 0 at the end of input. */
int cpcc_wire_read(void *data, uint32_t bytes);
void cpcc_wire_write(const void *data, uint32_t bytes);

/* 0, or 1 where the request breaks off. */
int cpcc_serve(void);

#endif
