/*
 * codes - small whole numbers, packed: from the high bits of a byte down, over
 * byte borders for 3 bits
 */
#ifndef WEIGHT_CODES_H
#define WEIGHT_CODES_H

#include <stddef.h>
#include <stdint.h>

/* Codes [first, first + n) of an array of bits-bit ones, from a byte each.
 * The array's bits there are 0 before; those beside them are left alone, but
 * bytes that two calls share must not be written at once. */
void codes_pack(uint8_t *to, size_t bits, size_t first, const uint8_t *code,
		size_t n);

#endif
