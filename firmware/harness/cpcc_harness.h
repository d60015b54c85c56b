/* The verification harness: one program over several wires (a pipe on the host, semihosting files in QEMU).
 *
 * Request:  uint32 mode, uint32 samples, then the samples, each with its inputs one after the other.  mode bit 0: samples
 *           are quantized already (int8 or int16, in the arena's layout), else raw; bit 1: send every node.
 * Reply:    per sample, with bit 1 the quantized inputs and each layer's output, read from the arena right after the
 *           layer ran; then, from a second, uninterrupted run: the bytes of every output and one int32 score per
 *           decision.
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
  void *raw; /* aligned for its type; a quantized sample fits too */
  uint32_t raw_bytes;
  uint32_t offset, bytes; /* quantized, in the arena */
  void (*quantize)(const void *raw, int8_t *arena);
} cpcc_input_t;

typedef struct {
  uint32_t offset, bytes; /* in the arena */
} cpcc_span_t;

typedef struct {
  const cpcc_step_t *steps;
  uint32_t step_count;
  uint32_t arena_bytes;
  const cpcc_input_t *inputs;
  uint32_t input_count;
  const cpcc_span_t *outputs;
  uint32_t output_count;
  int8_t *arena;
  void (*run)(int8_t *arena);
  uint32_t score_count; /* decisions of the model, maybe none */
  int32_t (*score)(const int8_t *arena, int32_t which);
} cpcc_model_t;

extern const cpcc_model_t cpcc_model;

/* Fill `data` with exactly `bytes`; 0 at the end of input. */
int cpcc_wire_read(void *data, uint32_t bytes);
void cpcc_wire_write(const void *data, uint32_t bytes);

/* 0, or 1 where the request breaks off. */
int cpcc_serve(void);

#endif
