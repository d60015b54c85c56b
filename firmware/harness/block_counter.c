/* Counts executions of basic blocks in unicorn. Built as a shared library for the host and hooked by address, because
 * a Python callback per block is a hundred times slower. One counter per halfword of the watched range. */
#include <stdint.h>

typedef struct {
  uint64_t base;
  uint64_t halfwords;
  uint64_t *executions;
  uint64_t *taken; /* times that the block did not go on behind its end */
  uint32_t *bytes; /* size of the block that starts here */
  uint64_t outside; /* blocks outside the range, or met with another size: the count would be wrong */
  uint64_t last; /* block run last, plus one */
} cpcc_counter_t;

#if defined(_WIN32)
__declspec(dllexport)
#endif
void cpcc_on_block(void *uc, uint64_t address, uint32_t bytes, void *user);

void cpcc_on_block(void *uc, uint64_t address, uint32_t bytes, void *user) {
  cpcc_counter_t *counter = user;
  const uint64_t i = (address - counter->base) >> 1;
  (void)uc;
  if (counter->last != 0 && counter->base + 2 * (counter->last - 1) + counter->bytes[counter->last - 1] != address) {
    counter->taken[counter->last - 1]++;
  }
  counter->last = 0;
  if (address < counter->base || i >= counter->halfwords || (counter->bytes[i] != 0 && counter->bytes[i] != bytes)) {
    counter->outside++;
    return;
  }
  counter->bytes[i] = bytes;
  counter->executions[i]++;
  counter->last = i + 1;
}
