#ifndef CPCC_SELF_TEST_H
#define CPCC_SELF_TEST_H

#include <stdint.h>

/* CRC-32 of constants as they lie in flash (IEEE 802.3, reflected; begin with 0xFFFFFFFF, invert at the end): it tells
 * every change of one bit, and of up to 32 neighbouring ones. The twin in Python is zlib.crc32. */
uint32_t cpcc_self_test_bytes(uint32_t crc, const void *data, uint32_t size);

/* The same of a number's four bytes, lowest first. */
uint32_t cpcc_self_test_number(uint32_t crc, uint32_t number);

/* 1 where two objects hold the same bytes, else 0. */
uint32_t cpcc_self_test_same(const void *a, const void *b, uint32_t size);

#endif
