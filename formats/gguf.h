/*
 * gguf - llama.cpp's file: key-value metadata, a table of tensors, the data
 *
 * Versions 2 and 3, little-endian. Nothing is trusted: counts are compared
 * with the bytes that are left before anything is allocated, keys and names
 * occur once, every tensor lies aligned inside the file and overlaps no other.
 */
#ifndef FORMATS_GGUF_H
#define FORMATS_GGUF_H

#include "formats/file.h"
#include "weight/gguf_blocks.h"

enum {
	GGUF_RANK = 4,
	GGUF_STRING = 1 << 20,  /* bytes of a string at most */
	GGUF_NAME = 64 << 10,   /* of a key or a tensor's name */
	GGUF_ALIGN = 4096,      /* largest alignment */
	GGUF_HEADER = 256 << 20, /* bytes before the data at most */
};

enum gguf_type {
	GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32,
	GGUF_BOOL, GGUF_TEXT, GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64,
	GGUF_TYPES
};

/* Strings and arrays point into the parsed bytes. */
struct gguf_value {
	enum gguf_type type;
	enum gguf_type element; /* of an array; never GGUF_ARRAY */
	size_t count;           /* of an array's elements, a text's bytes */
	const unsigned char *at; /* the value's, text's, elements' bytes */
};

struct gguf_key {
	const char *name;       /* not ended with 0 */
	size_t length;
	struct gguf_value value;
};

struct gguf_tensor {
	const char *name;       /* not ended with 0 */
	size_t length;
	const struct gguf_block *block;
	int rank;
	size_t dim[GGUF_RANK];  /* dim[0] runs fastest: it is the columns */
	size_t count, bytes;
	uint64_t at;            /* from the file's beginning */
};

struct gguf {
	struct gguf_key *key;   /* sorted by name */
	size_t nkey;
	struct gguf_tensor *tensor; /* in the file's order */
	size_t ntensor;
	unsigned char *bytes;   /* gguf_read(): what the rest points into */
};

/*
 * bytes: the file's first have bytes, of size in all. A pure function; what it
 * fills in points into bytes. E_DATA; E_AGAIN: whole so far, but have is too
 * few, come again with more.
 */
int gguf_parse(struct gguf *g, const void *bytes, size_t have,
	       uint64_t size) MUST_CHECK;

/* As above on a file, reading as much as is needed. Messages name it. */
int gguf_read(struct gguf *g, const struct file *f) MUST_CHECK;

void gguf_release(struct gguf *g);      /* safe on zeroes */

/* NULL: there is no such key. */
const struct gguf_value *gguf_find(const struct gguf *g, const char *key);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *g,
					   const char *name);

/* A number or truth value of any type; 1: it is neither. */
int gguf_number(const struct gguf_value *v, double *number);

/* Element i of an array of numbers; i < count. */
double gguf_element(const struct gguf_value *v, size_t i);

/* Walks an array of count texts: *at begins as its value's. */
void gguf_next_text(const unsigned char **at, const char **text,
		    size_t *length);

#endif
