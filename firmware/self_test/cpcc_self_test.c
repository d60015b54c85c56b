#include "cpcc_self_test.h"

static uint32_t add_byte(uint32_t crc, uint32_t byte) {
  crc ^= byte;
  for (int32_t bit = 0; bit < 8; bit++) {
    crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
  }
  return crc;
}

uint32_t cpcc_self_test_bytes(uint32_t crc, const void *data, uint32_t size) {
  const volatile uint8_t *byte = data; /* read from memory, whatever the compiler knows of it */
  for (uint32_t i = 0; i < size; i++) {
    crc = add_byte(crc, byte[i]);
  }
  return crc;
}

uint32_t cpcc_self_test_number(uint32_t crc, uint32_t number) {
  for (int32_t i = 0; i < 4; i++) {
    crc = add_byte(crc, number & 0xFFu);
    number >>= 8;
  }
  return crc;
}

uint32_t cpcc_self_test_same(const void *a, const void *b, uint32_t size) {
  const volatile uint8_t *left = a, *right = b;
  uint32_t different = 0;
  for (uint32_t i = 0; i < size; i++) {
    different |= (uint32_t)(left[i] ^ right[i]);
  }
  return different == 0u;
}
