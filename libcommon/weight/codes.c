#include "weight/codes.h"

#include <string.h>

static void put(uint8_t *to, size_t bits, size_t e, unsigned code)
{
	size_t bit = e * bits, end = bit + bits - 1;
	unsigned two = code << (7 - end % 8);

	to[end / 8] |= (uint8_t)two;
	if (bit / 8 != end / 8)
		to[bit / 8] |= (uint8_t)(two >> 8);
}

void codes_pack(uint8_t *to, size_t bits, size_t first, const uint8_t *code,
		size_t n)
{
	if (bits == 8) {
		memcpy(to + first, code, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		put(to, bits, first + i, code[i]);
}
