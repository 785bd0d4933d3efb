/*
 * gguf_blocks - the ways in which a GGUF file stores numbers
 *
 * A row of a tensor is a whole number of blocks. kernel/blocks.h says what
 * the values are.
 */
#ifndef WEIGHT_GGUF_BLOCKS_H
#define WEIGHT_GGUF_BLOCKS_H

#include "kernel/blocks.h"
#include "kernel/pack.h"
#include "tensor/dtype.h"

#include <stddef.h>
#include <stdint.h>

enum { GGUF_UNIT = 32 };        /* every block is a whole number of units */

/* How units become codes of a byte, and these values. */
struct gguf_codes {
	unpack_blocks_fn *unpack;
	enum code8_form form;
	size_t unit;            /* codes under one scale */
};

struct gguf_block {
	uint32_t type;          /* its number in a file */
	const char *name;       /* "Q4_1"; a stream has it in small letters */
	size_t count, bytes;    /* elements and bytes of a block; bytes 0: the
				 * type is known by name only */
	enum dtype dtype;       /* plain numbers; DTYPE_NONE: blocks */

	/* Units [first, first + n) of the blocks at src to dst, GGUF_UNIT
	 * values each. NULL for plain numbers. */
	void (*decode)(float *dst, const unsigned char *src, size_t first,
		       size_t n);
	const struct gguf_codes *codes; /* NULL for plain numbers */

	/* n blocks of numbers at src, to the bytes that ggml's reference
	 * (quantize_row_<name>_ref) makes of them; NULL: not made here. */
	void (*encode)(unsigned char *dst, const float *src, size_t n);
};

/* gguf_encode.c; src is finite. */
void gguf_encode_q8_0(unsigned char *dst, const float *src, size_t n);
void gguf_encode_q4_0(unsigned char *dst, const float *src, size_t n);

/* NULL: a number that llama.cpp does not use. */
const struct gguf_block *gguf_block_find(uint32_t type);

/* A format of blocks that can be decoded, in letters of either case; NULL:
 * there is none of that name. */
const struct gguf_block *gguf_block_named(const char *name);

/* Past the last: NULL. */
const struct gguf_block *gguf_block_at(size_t i);

#endif
