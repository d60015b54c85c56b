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

/* Calls `layer`. What QEMU's counter plugin watches: two basic blocks, one before the call and one after it. */
#if defined(__arm__)
void cpcc_gate(int8_t *arena, void (*layer)(int8_t *arena));
__asm__(
    ".syntax unified\n.section .text.cpcc_gate, \"ax\", %progbits\n.thumb\n.p2align 4\n"
    ".global cpcc_gate\n.type cpcc_gate, %function\n.thumb_func\n"
    "cpcc_gate:\n push {r4, lr}\n blx r1\n pop {r4, pc}\n"
    ".size cpcc_gate, . - cpcc_gate\n.text\n");
#else
static void cpcc_gate(int8_t *arena, void (*layer)(int8_t *arena)) { layer(arena); }
#endif

static void send_nodes(uint32_t mode) {
  const cpcc_model_t *m = &cpcc_model;
  load(mode);
  cpcc_wire_write(m->arena + m->input_offset, m->input_bytes);
  for (uint32_t i = 0; i < m->step_count; i++) {
    cpcc_gate(m->arena, m->steps[i].run);
    cpcc_wire_write(m->arena + m->steps[i].offset, m->steps[i].bytes);
  }
}

static void send_result(uint32_t mode) {
  const cpcc_model_t *m = &cpcc_model;
  load(mode);
  cpcc_gate(m->arena, m->run);
  const int32_t score = m->score ? m->score(m->arena) : 0;
  cpcc_wire_write(m->arena + m->output_offset, m->output_bytes);
  cpcc_wire_write(&score, (uint32_t)sizeof score);
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
