/*
 * storage - any storage tree, decoded element by element
 *
 * The definition of what a stored tensor's values are (tensor/tensor.h); the
 * formats' fast paths give the same bits. Codes of fewer than 8 bits are
 * packed from the high bits of a byte down, over byte borders for 3 bits.
 */
#ifndef WEIGHT_STORAGE_H
#define WEIGHT_STORAGE_H

#include "tensor/tensor.h"

/* Can t be decoded: kinds known, parts loaded and long enough. E_DATA. */
int storage_check(const struct tensor *t) MUST_CHECK;

/* Elements [first, first + count) of what node describes, as f32; t passed
 * storage_check(). */
void storage_decode(const struct tensor *t, int node, float *dst, size_t first,
		    size_t count);

/* Blocks of another program, which a program that quantises decodes first. */
int storage_is_blocks(const struct tensor *t);

/* Elements [first, first + count) of the blocks at src. */
struct gguf_block;
void storage_decode_blocks(const struct gguf_block *b, const void *src,
			   float *dst, size_t first, size_t count);

/* "nf4", "raw": for messages. */
const char *storage_kind_name(enum storage_kind kind);

#endif
