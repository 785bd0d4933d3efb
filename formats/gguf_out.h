/*
 * gguf_out - a GGUF file as it is written
 *
 * Version 3, aligned to 32 bytes. Tensors are written as they come; keys may
 * be added in any order until the end. The header stands first and is known
 * last: room is left for it, which the file system need not store, and what is
 * over is closed up.
 */
#ifndef FORMATS_GGUF_OUT_H
#define FORMATS_GGUF_OUT_H

#include "formats/file.h"
#include "formats/gguf.h"
#include "formats/text.h"

struct gguf_out_tensor {
	char *name;
	const struct gguf_block *block;
	int rank;
	uint64_t dim[GGUF_RANK]; /* dim[0] runs fastest */
	uint64_t at, bytes;      /* from where the data begins */
};

struct gguf_out {
	struct file *file;      /* borrowed; empty when it begins */
	const char *arch;       /* borrowed; before keys that begin with "." */
	struct text key;        /* those so far, in the file's form */
	size_t nkey;
	struct gguf_out_tensor *tensor; /* (n) */
	size_t n, room;
	uint64_t at;            /* bytes of data so far */
};

/* A key of one value; one that begins with a dot is the architecture's own.
 * E_NOMEM. */
int gguf_out_u32(struct gguf_out *o, const char *key, uint32_t v) MUST_CHECK;
int gguf_out_f32(struct gguf_out *o, const char *key, float v) MUST_CHECK;
int gguf_out_bool(struct gguf_out *o, const char *key, int v) MUST_CHECK;
int gguf_out_text(struct gguf_out *o, const char *key,
		  const char *v) MUST_CHECK;

/* A key of one value of any type, whose bytes are those in the file. */
int gguf_out_value(struct gguf_out *o, const char *key, enum gguf_type type,
		   const struct text *value) MUST_CHECK;

/* A key of n values, whose bytes are those of elements. */
int gguf_out_array(struct gguf_out *o, const char *key, enum gguf_type type,
		   size_t n, const struct text *elements) MUST_CHECK;

/* Appends an element of a text array. */
int gguf_out_element(struct text *elements, const char *v,
		     size_t n) MUST_CHECK;

/* Begins a tensor of this shape (rows, cols): its rows are whole blocks. Its
 * bytes follow, all of them. E_DATA, E_NOMEM, E_IO. */
int gguf_out_tensor(struct gguf_out *o, const char *name,
		    const struct gguf_block *block, int rank,
		    const size_t *shape) MUST_CHECK;
int gguf_out_data(struct gguf_out *o, const void *bytes, size_t n) MUST_CHECK;

/* NULL: none of that name was begun. */
const struct gguf_out_tensor *gguf_out_find(const struct gguf_out *o,
					    const char *name);

/* A tensor that is a copy of one that is there. */
int gguf_out_copy(struct gguf_out *o, const char *from,
		  const char *name) MUST_CHECK;

/* Writes the header and closes up. E_IO; E_DATA: larger than GGUF_HEADER. */
int gguf_out_finish(struct gguf_out *o) MUST_CHECK;
void gguf_out_release(struct gguf_out *o);      /* safe on zeroes */

#endif
