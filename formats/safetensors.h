/*
 * safetensors - one file of named arrays: 8 bytes of length, a JSON header,
 * the arrays without a gap
 *
 * The reader is strict: a header of at most 100 MB, no key twice, every array
 * as large as its shape and type say, and the whole file covered by arrays
 * that neither overlap nor leave a byte over.
 */
#ifndef FORMATS_SAFETENSORS_H
#define FORMATS_SAFETENSORS_H

#include "formats/file.h"
#include "tensor/tensor.h"

enum {
	SAFETENSORS_HEADER = 100 * 1000 * 1000, /* bytes of a header at most */
	SAFETENSORS_COUNT = 1 << 20,            /* arrays in a file at most */
};

struct safetensors_entry {
	const char *name;
	enum dtype dtype;
	int rank;
	size_t shape[TENSOR_RANK];
	uint64_t at;            /* first byte, from the file's beginning */
	size_t bytes;
};

struct safetensors {
	struct safetensors_entry *entry; /* in the order of their bytes */
	size_t n;
	char *text;             /* the names */
};

/*
 * head: the file's first size bytes, of size file bytes in all; size is that
 * of the length field and the header. A pure function: no file is read.
 * E_DATA names the byte or the array.
 */
int safetensors_parse(struct safetensors *s, const void *head, size_t size,
		      uint64_t file) MUST_CHECK;

/* Bytes of length field and header, from the first 8 bytes. E_DATA. */
int safetensors_head(size_t *size, const void *first8,
		     uint64_t file) MUST_CHECK;

/* Both of the above on a file; messages begin with its name. */
int safetensors_read(struct safetensors *s, const struct file *f) MUST_CHECK;

void safetensors_release(struct safetensors *s); /* safe on zeroes */

/*
 * ---- writing: arrays come one by one, the header is written last ----
 *
 * The format has no gaps, so that one odd array would leave all that follow it
 * unaligned: those of no whole 8 bytes are held in memory and written last.
 */
struct safetensors_out {
	struct file file;
	struct safetensors_entry *entry;
	void **held;            /* (n) data of an array to come; or NULL */
	size_t n, room;         /* entries */
	uint64_t bytes;         /* of data so far */
	size_t header;          /* bytes that the header will take */
};

/* E_CREATE. */
int safetensors_create(struct safetensors_out *o, const char *path) MUST_CHECK;

/* Does the header have room for one more array of that name? If not, the file
 * is full: finish it and begin another. */
int safetensors_fits(const struct safetensors_out *o, const char *name);

/* Appends an array; its data lies in memory. */
int safetensors_add(struct safetensors_out *o, const char *name, enum dtype d,
		    int rank, const size_t *shape,
		    const void *data) MUST_CHECK;

/* Writes the header, syncs, closes. E_IO. */
int safetensors_finish(struct safetensors_out *o) MUST_CHECK;

/* Closes a file that is given up; the caller removes it. Safe on zeroes. */
void safetensors_abandon(struct safetensors_out *o);

#endif
