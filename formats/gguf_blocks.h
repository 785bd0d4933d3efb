/*
 * gguf_blocks - the ways in which a GGUF file stores numbers
 *
 * A row of a tensor is a whole number of blocks. decode() gives what llama.cpp
 * computes: Q4_0 (q - 8) d, Q4_1 q d + m, Q8_0 q d, with d and m in f16. The
 * products are exact in f32, so that only the sum rounds.
 */
#ifndef FORMATS_GGUF_BLOCKS_H
#define FORMATS_GGUF_BLOCKS_H

#include "tensor/dtype.h"

#include <stddef.h>
#include <stdint.h>

struct gguf_block {
	uint32_t type;          /* its number in a file */
	const char *name;       /* "Q4_1" */
	size_t count, bytes;    /* elements and bytes of a block; bytes 0: the
				 * type is known by name only */
	enum dtype dtype;       /* plain numbers; DTYPE_NONE: blocks */

	/* nblock blocks to dst (nblock * count). NULL for plain numbers. */
	void (*decode)(float *dst, const unsigned char *src, size_t nblock);
};

/* NULL: a number that llama.cpp does not use. */
const struct gguf_block *gguf_block_find(uint32_t type);

/* Past the last: NULL. */
const struct gguf_block *gguf_block_at(size_t i);

#endif
