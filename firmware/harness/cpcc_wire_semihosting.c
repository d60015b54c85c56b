/* The harness under an emulator with semihosting: reads the file `request.bin`, writes `reply.bin`.
 * Source of the call numbers: Arm, "Semihosting for AArch32 and AArch64", release 2.0. */
#include "cpcc_harness.h"

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20 };
enum { MODE_RB = 1, MODE_WB = 5 };
enum { APPLICATION_EXIT = 0x20026 };

static uint32_t request, reply;

static uint32_t call(uint32_t operation, const uint32_t *arguments) {
  register uint32_t r0 __asm__("r0") = operation;
  register const uint32_t *r1 __asm__("r1") = arguments;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static uint32_t open_file(const char *name, uint32_t length, uint32_t mode) {
  const uint32_t arguments[3] = {(uint32_t)name, mode, length};
  return call(SYS_OPEN, arguments);
}

int cpcc_wire_read(void *data, uint32_t bytes) {
  const uint32_t arguments[3] = {request, (uint32_t)data, bytes};
  return call(SYS_READ, arguments) == 0; /* the number of bytes missing */
}

void cpcc_wire_write(const void *data, uint32_t bytes) {
  const uint32_t arguments[3] = {reply, (uint32_t)data, bytes};
  (void)call(SYS_WRITE, arguments);
}

int main(void) {
  request = open_file("request.bin", 11, MODE_RB);
  reply = open_file("reply.bin", 9, MODE_WB);
  const uint32_t end[2] = {APPLICATION_EXIT, (uint32_t)cpcc_serve()};
  (void)call(SYS_EXIT_EXTENDED, end);
  return 0;
}
