/*
 * tensor - a named array in the form it is stored in
 *
 * A tensor has a shape (rows, cols, ...) and a storage, which is a tree: how
 * its values are kept, and how the scales of that are kept in turn. The leaves
 * of the tree are byte arrays, the parts. A tensor that is stored plainly has
 * one node and one part.
 *
 * The value of element e, in group g = e / block of the flattened tensor, is
 *
 *     raw    part[e]
 *     const  value
 *     nf4    nf4_book[code[e]] * scale[g] (+ shift[g])
 *     fp4    fp4_book[code[e]] * scale[g] (+ shift[g])
 *     dyn8   dyn8_book[code[e]] * scale[g] (+ shift[g])
 *     book   book[code[e]] * scale[g] (+ shift[g])
 *     int    scale[g] * (code[e] - zero[g]) (+ shift[g])
 *     gguf   the block format of that name, in llama.cpp's bytes
 *
 * where scale, zero and shift are nodes themselves, over one element a group.
 * docs/st.5 has the form of this in a stream.
 */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include "base/err.h"
#include "tensor/dtype.h"

#include <stddef.h>
#include <stdint.h>

enum {
	TENSOR_RANK = 8,        /* dimensions at most */
	TENSOR_PARTS = 16,
	TENSOR_NODES = 16,
	TENSOR_NAME = 1024,     /* bytes of a name, with its end */
};

enum storage_kind {
	STORE_RAW, STORE_CONST, STORE_NF4, STORE_FP4, STORE_DYN8, STORE_BOOK,
	STORE_INT, STORE_GGUF,
};

/* A node of the storage tree; children are indices into tensor.node, -1 for
 * none, and always larger than their parent's. */
struct storage {
	enum storage_kind kind;
	enum dtype dtype;       /* raw: the part's; else of what it came from */
	int bits;               /* int, book: of a code */
	size_t block;           /* elements that share a scale */
	double value;           /* const */
	float *book;            /* book: 2^bits values; owned by the tensor */
	char format[16];        /* gguf: "q4_1" */
	int scale, zero, shift; /* nodes */
	int part;               /* codes or values; -1 for const */
	size_t count;           /* elements that this node describes */
};

struct tensor_part {
	enum dtype dtype;       /* u4 for codes of 4 bits */
	size_t count;           /* elements */
	size_t bytes;           /* derived from dtype and count */
	void *data;             /* NULL until loaded; 64-byte aligned */
};

enum tensor_role {
	ROLE_NONE,
	ROLE_LINEAR,            /* a frozen product's weight, quantisable */
	ROLE_HEAD,              /* the output head's weight */
	ROLE_EMBED,
	ROLE_NORM,
	ROLE_BIAS,
	ROLE_OTHER,
	ROLE_ADAPTER,           /* trained */
	ROLE_STATE,             /* optimizer moments and the like */
	ROLE_BLOB,              /* a file's bytes, named "file/config.json" */
	ROLE_COUNT
};

struct tensor {
	char *name;             /* the checkpoint's (Hugging Face) name */
	enum tensor_role role;
	enum dtype dtype;       /* of the values, when they are computed with */
	int rank;
	size_t shape[TENSOR_RANK];
	size_t count;           /* product of the shape; 1 for rank 0 */
	int nnode, npart;
	struct storage node[TENSOR_NODES]; /* node[0] is the whole tensor's */
	struct tensor_part part[TENSOR_PARTS];
};

const char *tensor_role_name(enum tensor_role r);       /* "linear" */
enum tensor_role tensor_role_find(const char *name);    /* ROLE_NONE */

/* A plain tensor, one part, no data yet. E_DATA: rank, name or size out of
 * range; E_NOMEM. */
int tensor_init(struct tensor *t, const char *name, enum tensor_role role,
		enum dtype d, int rank, const size_t *shape) MUST_CHECK;

/* Adds a node (kind, count set; children and part -1) and returns its index,
 * or -1 when there are too many. */
int tensor_node(struct tensor *t, enum storage_kind kind, size_t count);

/* Adds a part and returns its index, or -1. Parts are stored in this order:
 * scales stand before codes, so that a reader can decode chunk by chunk. */
int tensor_part(struct tensor *t, enum dtype d, size_t count);

/* Room for the data of all parts that have none: one zeroed allocation each.
 * E_NOMEM. */
int tensor_alloc(struct tensor *t) MUST_CHECK;

/* Likewise, but not zeroed: for who fills all of it, and must not touch memory
 * that a shape only claims. E_NOMEM. */
int tensor_alloc_unset(struct tensor *t) MUST_CHECK;

/* A copy of all, data included. E_NOMEM. */
int tensor_copy(struct tensor *to, const struct tensor *t) MUST_CHECK;

/* Stored bytes of all parts. */
size_t tensor_bytes(const struct tensor *t);

int tensor_is_plain(const struct tensor *t);

/* The rows of a matrix, the columns; a vector is one row. */
size_t tensor_rows(const struct tensor *t);
size_t tensor_cols(const struct tensor *t);

/* "576x1536", for messages; buf has 128 bytes. */
const char *tensor_shape_text(char *buf, int rank, const size_t *shape);

/* Moves t's contents; from is empty afterwards. */
void tensor_move(struct tensor *to, struct tensor *from);

/* Frees name, books and data. Safe on a zeroed struct. */
void tensor_release(struct tensor *t);

struct page_owner;

/* Tensors by name, owned. */
struct tensor_set {
	struct tensor *at;
	size_t n, room;

	/* Where data may be away: brings one tensor's in, and (back) lets it
	 * go again; and whose pages they are (pager/pager.h). NULL: all of it
	 * is there. */
	int (*lend)(void *ctx, const struct tensor *t, int back);
	void *lend_ctx;
	const struct page_owner *pages;
};

/* Between the two, t's data is there. E_DATA, E_IO, E_NOMEM. */
static inline int tensor_set_borrow(const struct tensor_set *s,
				    const struct tensor *t)
{
	return s->lend ? s->lend(s->lend_ctx, t, 0) : 0;
}

static inline int tensor_set_return(const struct tensor_set *s,
				    const struct tensor *t)
{
	return s->lend ? s->lend(s->lend_ctx, t, 1) : 0;
}

/* Takes t's contents. E_DATA: there is one of that name. */
int tensor_set_take(struct tensor_set *s, struct tensor *t) MUST_CHECK;

/* NULL: none. Valid until the next take. */
struct tensor *tensor_set_find(const struct tensor_set *s, const char *name);

void tensor_set_release(struct tensor_set *s);

#endif
