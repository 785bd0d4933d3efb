#include "formats/planes.h"

#include <stdint.h>

#include "base/bytes.h"

/*
 * Eight bytes at a time, as integers: the elements of width 2 and 4, which are
 * all there is of models. Compilers do not vectorise the plain loops at -O2.
 */

/* Bytes 0, 2, 4, 6 of x together in the low half. */
static inline uint32_t even_bytes(uint64_t x)
{
	x &= 0x00ff00ff00ff00ff;
	x = (x | x >> 8) & 0x0000ffff0000ffff;
	return (uint32_t)(x | x >> 16);
}

/* The reverse: four bytes, each with a zero after it. */
static inline uint64_t spread_bytes(uint32_t y)
{
	uint64_t x = y;

	x = (x | x << 16) & 0x0000ffff0000ffff;
	return (x | x << 8) & 0x00ff00ff00ff00ff;
}

static void split_some(unsigned char *restrict dst,
		       const unsigned char *restrict src, size_t count,
		       size_t width, size_t from)
{
	for (size_t p = 0; p < width; p++)
		for (size_t i = from; i < count; i++)
			dst[p * count + i] = src[i * width + width - 1 - p];
}

static void join_some(unsigned char *restrict dst,
		      const unsigned char *restrict src, size_t count,
		      size_t width, size_t from)
{
	for (size_t p = 0; p < width; p++)
		for (size_t i = from; i < count; i++)
			dst[i * width + width - 1 - p] = src[p * count + i];
}

static size_t split_2(unsigned char *restrict dst,
		      const unsigned char *restrict src, size_t count)
{
	size_t i = 0;

	for (; i + 4 <= count; i += 4) {
		uint64_t x = le64_get(src + 2 * i);

		le32_put(dst + i, even_bytes(x >> 8));
		le32_put(dst + count + i, even_bytes(x));
	}
	return i;
}

static size_t join_2(unsigned char *restrict dst,
		     const unsigned char *restrict src, size_t count)
{
	size_t i = 0;

	for (; i + 4 <= count; i += 4)
		le64_put(dst + 2 * i,
			 spread_bytes(le32_get(src + i)) << 8 |
			 spread_bytes(le32_get(src + count + i)));
	return i;
}

/* Four elements: bytes 0 and 2 of each, then 1 and 3, then these apart. */
static size_t split_4(unsigned char *restrict dst,
		      const unsigned char *restrict src, size_t count)
{
	size_t i = 0;

	for (; i + 4 <= count; i += 4) {
		uint64_t x = le64_get(src + 4 * i);
		uint64_t y = le64_get(src + 4 * i + 8);
		uint64_t even = even_bytes(x) |
				(uint64_t)even_bytes(y) << 32;
		uint64_t odd = even_bytes(x >> 8) |
			       (uint64_t)even_bytes(y >> 8) << 32;

		le32_put(dst + i, even_bytes(odd >> 8));
		le32_put(dst + count + i, even_bytes(even >> 8));
		le32_put(dst + 2 * count + i, even_bytes(odd));
		le32_put(dst + 3 * count + i, even_bytes(even));
	}
	return i;
}

static size_t join_4(unsigned char *restrict dst,
		     const unsigned char *restrict src, size_t count)
{
	size_t i = 0;

	for (; i + 4 <= count; i += 4) {
		uint64_t odd = spread_bytes(le32_get(src + i)) << 8 |
			       spread_bytes(le32_get(src + 2 * count + i));
		uint64_t even =
			spread_bytes(le32_get(src + count + i)) << 8 |
			spread_bytes(le32_get(src + 3 * count + i));

		le64_put(dst + 4 * i, spread_bytes((uint32_t)odd) << 8 |
				      spread_bytes((uint32_t)even));
		le64_put(dst + 4 * i + 8,
			 spread_bytes((uint32_t)(odd >> 32)) << 8 |
			 spread_bytes((uint32_t)(even >> 32)));
	}
	return i;
}

void planes_split(void *dst, const void *src, size_t n, size_t width)
{
	size_t count = n / width, done = width == 2 ?
					 split_2(dst, src, count) :
					 width == 4 ?
					 split_4(dst, src, count) : 0;

	split_some(dst, src, count, width, done);
}

void planes_join(void *dst, const void *src, size_t n, size_t width)
{
	size_t count = n / width, done = width == 2 ?
					 join_2(dst, src, count) :
					 width == 4 ?
					 join_4(dst, src, count) : 0;

	join_some(dst, src, count, width, done);
}
