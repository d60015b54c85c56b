/* A plugin for QEMU's code generator: counts what the harness's layers execute, exactly. The harness calls every layer through
 * cpcc_gate, which is two basic blocks: before the call and after it. What runs between two executions of a gate's block
 * is one interval; every second interval is a layer, the others are the harness itself.
 * Built for the host on demand. The declarations are QEMU's plugin interface, version 1 (include/qemu/qemu-plugin.h).
 * Arguments: gate=ADDRESS, end=ADDRESS of the gate; stack=LOWEST ADDRESS of the stack; out=FILE, which gets one line per interval:
 * instructions, those of them for the vector or floating-point unit, bytes of stack. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { NO_REGISTERS = 0, STORES = 2 };

#define EXPORT __attribute__((visibility("default")))
extern EXPORT int qemu_plugin_version;
int qemu_plugin_version = 1;

typedef void (*translated)(plugin_id id, struct qemu_plugin_tb *block);
typedef void (*executed)(unsigned int cpu, void *user);
typedef void (*stored)(unsigned int cpu, uint32_t info, uint64_t address, void *user);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *block);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t i);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, translated callback);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, executed callback, int flags, void *user);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction, stored callback, int flags, int kind,
                                             void *user);
extern void qemu_plugin_register_atexit_cb(plugin_id id, void (*callback)(plugin_id id, void *user), void *user);
EXPORT int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments);

typedef struct {
  uint64_t instructions, vectors;
  int is_gate;
} block_t;

static uint64_t gate, gate_end, stack_low;
static uint64_t top, lowest; /* lowest store to the stack: by the gate, since then by the others */
static block_t sum;
static FILE *out;

static void on_block(unsigned int cpu, void *user) {
  const block_t *block = user;
  (void)cpu;
  if (!block->is_gate) {
    sum.instructions += block->instructions;
    sum.vectors += block->vectors;
    return;
  }
  fprintf(out, "%llu %llu %llu\n", (unsigned long long)sum.instructions, (unsigned long long)sum.vectors,
          (unsigned long long)(lowest < top ? top - lowest : 0));
  memset(&sum, 0, sizeof sum);
  top = lowest = UINT64_MAX;
}

static void on_store(unsigned int cpu, uint32_t info, uint64_t address, void *user) {
  uint64_t *least = ((const block_t *)user)->is_gate ? &top : &lowest;
  (void)cpu;
  (void)info;
  if (address >= stack_low && address < *least) {
    *least = address;
  }
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb) {
  const size_t count = qemu_plugin_tb_n_insns(tb);
  const uint64_t address = qemu_plugin_tb_vaddr(tb);
  block_t *block = calloc(1, sizeof *block); /* as long as QEMU runs: it may execute the block at any time */
  (void)id;
  if (block == NULL) {
    abort();
  }
  block->instructions = count;
  block->is_gate = address >= gate && address < gate_end;
  for (size_t i = 0; i < count; i++) {
    struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
    const uint8_t *code = qemu_plugin_insn_data(instruction);
    block->vectors += (code[1] & 0xECu) == 0xECu; /* the coprocessors' space: 0b111x11xx */
    qemu_plugin_register_vcpu_mem_cb(instruction, on_store, NO_REGISTERS, STORES, block);
  }
  qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, NO_REGISTERS, block);
}

static void on_exit(plugin_id id, void *user) {
  (void)id;
  (void)user;
  (void)fclose(out);
}

/* The text behind `name` in its argument, or NULL. */
static const char *value_of(const char *name, int count, char **arguments) {
  const size_t length = strlen(name);
  for (int i = 0; i < count; i++) {
    if (strncmp(arguments[i], name, length) == 0) {
      return arguments[i] + length;
    }
  }
  return NULL;
}

int qemu_plugin_install(plugin_id id, const void *info, int count, char **arguments) {
  const char *begin = value_of("gate=", count, arguments), *end = value_of("end=", count, arguments);
  const char *stack = value_of("stack=", count, arguments), *file = value_of("out=", count, arguments);
  (void)info;
  if (begin == NULL || end == NULL || stack == NULL || file == NULL || (out = fopen(file, "w")) == NULL) {
    return 1;
  }
  gate = strtoull(begin, NULL, 0);
  gate_end = strtoull(end, NULL, 0);
  stack_low = strtoull(stack, NULL, 0);
  top = lowest = UINT64_MAX;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_atexit_cb(id, on_exit, NULL);
  return 0;
}
