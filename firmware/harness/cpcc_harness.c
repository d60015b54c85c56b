#include "cpcc_harness.h"

#define QUANTIZED 1u
#define NODES 2u

/* Stale bytes must not look like results: the arena starts every run filled with a pattern. */
static void load(uint32_t mode) {
  const cpcc_model_t *m = &cpcc_model;
  for (uint32_t i = 0; i < m->arena_bytes; i++) {
    m->arena[i] = (int8_t)0x5A;
  }
  if (mode & QUANTIZED) {
    const int8_t *q = (const int8_t *)m->raw;
    for (uint32_t i = 0; i < m->input_bytes; i++) {
      m->arena[m->input_offset + i] = q[i];
    }
  } else {
    m->quantize(m->raw, m->arena);
  }
}

static void send_nodes(uint32_t mode) {
  const cpcc_model_t *m = &cpcc_model;
  load(mode);
  cpcc_wire_write(m->arena + m->input_offset, m->input_bytes);
  for (uint32_t i = 0; i < m->step_count; i++) {
    m->steps[i].run(m->arena);
    cpcc_wire_write(m->arena + m->steps[i].offset, m->steps[i].bytes);
  }
}

static void send_result(uint32_t mode) {
  const cpcc_model_t *m = &cpcc_model;
  load(mode);
  m->run(m->arena);
  cpcc_wire_write(m->arena + m->output_offset, m->output_bytes);
  for (uint32_t i = 0; i < m->score_count; i++) {
    const int32_t score = m->score(m->arena, (int32_t)i);
    cpcc_wire_write(&score, (uint32_t)sizeof score);
  }
}

int cpcc_serve(void) {
  uint32_t request[2];
  if (!cpcc_wire_read(request, (uint32_t)sizeof request)) {
    return 1;
  }
  const uint32_t bytes = (request[0] & QUANTIZED) ? cpcc_model.input_bytes : cpcc_model.raw_bytes;
  for (uint32_t i = 0; i < request[1]; i++) {
    if (!cpcc_wire_read(cpcc_model.raw, bytes)) {
      return 1;
    }
    if (request[0] & NODES) {
      send_nodes(request[0]);
    }
    send_result(request[0]);
  }
  return 0;
}
