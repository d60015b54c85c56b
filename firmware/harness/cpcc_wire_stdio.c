/* The harness on the host: requests on standard input, replies on standard output. */
#include <stdio.h>

#include "cpcc_harness.h"

int cpcc_wire_read(void *data, uint32_t bytes) { return fread(data, 1, bytes, stdin) == bytes; }

void cpcc_wire_write(const void *data, uint32_t bytes) { (void)fwrite(data, 1, bytes, stdout); }

int main(void) {
  (void)setvbuf(stdout, NULL, _IONBF, 0); /* where a layer crashes, what came before it has been sent */
  const int status = cpcc_serve();
  return fflush(stdout) == 0 ? status : 2;
}
