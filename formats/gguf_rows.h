/*
 * gguf_rows - the rows that llama.cpp has in another order than checkpoints
 *
 * Llama's query and key weights: the two halves of each head's rows are
 * interleaved there. GPT-NeoX's and Falcon's one matrix of q, k and v:
 * checkpoints have it in groups of some q heads, a k head and a v head, GGUF
 * has all q, all k, all v.
 */
#ifndef FORMATS_GGUF_ROWS_H
#define FORMATS_GGUF_ROWS_H

#include "arch/family.h"

struct gguf_rows {
	size_t heads;           /* whose halves are interleaved; 0: not */
	size_t groups, dim;     /* of q, k, v, with heads of dim rows; 0: not */
};

/* Of a tensor of the family with so many rows. E_DATA: they do not divide. */
int gguf_rows_of(struct gguf_rows *o, const struct family_tensor *t,
		 const struct family_config *c, size_t rows) MUST_CHECK;

/* E_DATA: so many rows do not divide like that. */
int gguf_rows_check(const struct gguf_rows *o, const char *name,
		    size_t rows) MUST_CHECK;

/* Is the order another at all? */
int gguf_rows_moved(const struct gguf_rows *o);

/* Where row of a GGUF's rows is in a checkpoint. */
size_t gguf_row(const struct gguf_rows *o, size_t row, size_t rows);

#endif
