#include "tensor/transpose.h"

#include <string.h>

#include "base/size.h"

enum { TILE = 32 };             /* rows and columns that stay in the cache */

static void tile(unsigned char *to, size_t to_stride,
		 const unsigned char *from, size_t from_stride, size_t rows,
		 size_t cols, size_t size)
{
	for (size_t j = 0; j < cols; j++)
		for (size_t i = 0; i < rows; i++)
			memcpy(to + (j * to_stride + i) * size,
			       from + (i * from_stride + j) * size, size);
}

void transpose(void *to, size_t to_stride, const void *from, size_t rows,
	       size_t cols, size_t size)
{
	unsigned char *dst = to;
	const unsigned char *src = from;

	for (size_t i = 0; i < rows; i += TILE)
		for (size_t j = 0; j < cols; j += TILE)
			tile(dst + (j * to_stride + i) * size, to_stride,
			     src + (i * cols + j) * size, cols,
			     size_min(rows - i, TILE),
			     size_min(cols - j, TILE), size);
}
