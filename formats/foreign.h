/*
 * foreign - a foreign model as the list of what its stream would hold
 *
 * A format fills the list when it is opened: side files, metas, tensors with
 * the place of their bytes. From then on all formats are the same: next() and
 * load() walk the list, and close() frees it.
 */
#ifndef FORMATS_FOREIGN_H
#define FORMATS_FOREIGN_H

#include "formats/file.h"
#include "formats/gguf_rows.h"
#include "formats/source.h"
#include "weight/gguf_blocks.h"

struct foreign_place {
	size_t file;            /* of foreign.file */
	uint64_t at;            /* first byte there */
};

struct foreign_item {
	struct tensor tensor;   /* described; loaded by load() only */
	size_t file;            /* of foreign.file */
	uint64_t at;            /* first byte there */
	enum dtype from;        /* how plain values are stored there */
	const struct gguf_block *block; /* or blocks of values; NULL: plain */
	int kept;               /* the tensor's storage is those blocks */
	struct gguf_rows rows;  /* in llama.cpp's order */
	const struct family_tensor *unsorted; /* rows are in llama.cpp's order,
				 * which the base tells; NULL: known */
	int plus1;              /* the file has 1 + the values */
	int transposed;         /* a matrix, column by column in the file */
	struct foreign_place *part; /* (tensor.npart) where each is, as it is;
				 * owned; NULL: a plain tensor, at file, at */
	char *made;             /* the bytes themselves, owned; or NULL */
	uint64_t order;
	size_t number;          /* in which it was added */
};

struct foreign {
	enum stream_kind kind;
	json_t *meta;           /* object: its keys become META items */
	struct file *file;
	size_t nfile;
	struct foreign_item *item;
	size_t n, room;
	size_t at;              /* how far next() has come */
	void *iter;             /* in meta */
};

/* E_NOMEM. Free with foreign_close(). */
int foreign_new(struct foreign **f, enum stream_kind kind) MUST_CHECK;

/* Takes an open file (also when it fails); *index is its number. */
int foreign_take(struct foreign *f, struct file *file,
		 size_t *index) MUST_CHECK;

/* Appends a tensor: the caller fills in file, at, from or block, rows,
 * order. E_DATA, E_NOMEM. *item is valid until the next one. */
int foreign_add(struct foreign *f, const char *name, enum tensor_role role,
		enum dtype d, int rank, const size_t *shape,
		struct foreign_item **item) MUST_CHECK;

/* The order of blobs: before all tensors, as they were added. */
enum { FOREIGN_FIRST = 0 };

/* A side file of these bytes (taken, also when it fails) as "file/<name>". */
int foreign_made(struct foreign *f, const char *name, char *bytes,
		 size_t size) MUST_CHECK;

/* A side file of a directory, read when it is wanted. E_DATA: larger than
 * 256 MiB. */
int foreign_side(struct foreign *f, const char *dir,
		 const char *name) MUST_CHECK;

/* Sorts by order, then as added. E_DATA: a name is there twice. */
int foreign_sort(struct foreign *f) MUST_CHECK;

/* Functions of a struct source_format. */
int foreign_next(void *self, struct item *item) MUST_CHECK;
int foreign_load(void *self, struct tensor *t) MUST_CHECK;
void foreign_keep_blocks(void *self);

/* The data of a tensor that keeps its blocks: whole rows of them, to where they
 * belong. E_IO. */
int foreign_load_blocks(const struct foreign_item *it, const struct file *file,
			const struct tensor *t) MUST_CHECK;

void foreign_close(void *self);

/* Is there a file of that name in the directory? */
int foreign_has(const char *dir, const char *name);

/* An object from a JSON file of a directory; messages begin with name. */
int foreign_json(json_t **root, const char *dir,
		 const char *name) MUST_CHECK;

/* "dir/name"; free it. NULL: no memory. */
char *foreign_path(const char *dir, const char *name);

#endif
