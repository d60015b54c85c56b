#include "cpcc_blocks8.h"

#include "cpcc_blocks8_asm.h"

#if CPCC_DSP
/* The roundings are 256 bytes apart. */
#define CONSTANTS " ldr r9, [lr], #4\n ldr r10, [lr], #4\n ldr r12, [lr], #4\n"
#define AT(distance) " .org .Lcpcc_blocks8_behind + " distance "\n"

__asm__(
    CPCC_B8_BEGIN("cpcc_blocks8", " push {r4-r7}\n", "16")
    "2: ldr r0, [lr], #4\n" CPCC_B8_ENTER CPCC_B8_BLOCKS
    ".Lcpcc_blocks8_behind:\n"
    " ldr r9, [lr], #4\n ldr r10, [sp, #4]\n" CPCC_B8_EIGHT(CPCC_B8_ONCE) CPCC_B8_OUTPUT
    );
/* Compilers promise strings of 4095 characters: the rest is a statement of its own, right behind. */
__asm__(
    AT("256") CONSTANTS CPCC_B8_EIGHT(CPCC_B8_TFLITE) CPCC_B8_OUTPUT
    AT("512") CONSTANTS CPCC_B8_EIGHT(CPCC_B8_RELU) CPCC_B8_OUTPUT
    AT("768") " ldrsb r0, [lr], #1\n" CPCC_B8_STORE("r0", "r0", "r0", "r0", "r0", "r0", "r0", "r0")
    ".size cpcc_blocks8, . - cpcc_blocks8\n.text\n");
#else
enum { CONSTANT = CPCC_B8_BLOCK * CPCC_B8_COUNT + 8 + 768 };

void cpcc_blocks8(const uint32_t *x, const uint8_t *stream, int8_t *y, const cpcc_tiles8_run_t *job) {
  for (;; y++) {
    int32_t sums[8], constants[3] = {0, 0, 0};
    for (int32_t i = 0; i < 8; i++) {
      sums[i] = cpcc_blocks8_bytes(stream, 4);
    }
    const int32_t jump = (int16_t)cpcc_blocks8_bytes(stream + 4, 2);
    stream += 6;
    if (jump == CPCC_B8_LEAVE) {
      return;
    }
    if (jump == CONSTANT) {
      for (int32_t i = 0; i < 8; i++) {
        y[i * job->stride] = (int8_t)cpcc_blocks8_bytes(stream, 1);
      }
      stream++;
      continue;
    }
    stream = cpcc_blocks8_sums(x, stream, jump, sums);
    for (int32_t i = 0; i < cpcc_channel_words(job->rounding); i++, stream += 4) {
      constants[i] = cpcc_blocks8_bytes(stream, 4);
    }
    cpcc_blocks8_store(job, sums, constants, y);
  }
}
#endif
