/*
 * st_header - the headers of records, from items and back
 *
 * What a header says depends on the content alone, never on how it is stored;
 * so the digest of a stream's headers names what is in it.
 */
#ifndef FORMATS_ST_HEADER_H
#define FORMATS_ST_HEADER_H

#include "base/digest.h"
#include "formats/msg.h"
#include "formats/source.h"

/* Each leaves the header in o; E_DATA, E_NOMEM. */
int st_head_put(struct msg_out *o, enum stream_kind kind) MUST_CHECK;
int st_meta_put(struct msg_out *o, const char *key, json_t *value) MUST_CHECK;
int st_tensor_put(struct msg_out *o, const struct tensor *t) MUST_CHECK;

struct st_chunk {
	size_t part;
	size_t at;              /* first byte in the part */
	size_t n;               /* bytes, decoded */
	uint64_t hash;          /* of them */
};

int st_chunk_put(struct msg_out *o, const struct st_chunk *c) MUST_CHECK;

/* hash: of the columns len, ids, labels, one after the other. */
int st_batch_put(struct msg_out *o, const struct batch_columns *b,
		 uint64_t hash) MUST_CHECK;

/* The reverse. HEAD: E_DATA for another version or a feature that is required
 * and not known. */
int st_head_get(enum stream_kind *kind, const struct msg_value *v) MUST_CHECK;

/* t is made anew: its parts derived from shape and storage, and compared with
 * what the header says of them; no data. E_DATA, E_NOMEM; release t then. */
int st_tensor_get(struct tensor *t, const struct msg_value *v) MUST_CHECK;
int st_chunk_get(struct st_chunk *c, const struct msg_value *v) MUST_CHECK;

/* Sizes of the three columns, and of all columns in bytes (more may follow
 * the three); no pointers. */
int st_batch_get(struct batch_columns *b, size_t *bytes, uint64_t *hash,
		 const struct msg_value *v) MUST_CHECK;

/* The parts in the order of the stream: each node's scale, zero and shift
 * before its own codes or values. Returns how many, order[k] being an index
 * into t->part. */
size_t st_part_order(const struct tensor *t, int order[TENSOR_PARTS]);

/* Bytes of the chunk of a part that begins at byte at, which is inside: whole
 * rows that fit ST_CHUNK, or ST_CHUNK where a row is longer than that. Not an
 * option: equal tensors give equal bytes. */
size_t st_chunk_size(const struct tensor *t, int part, size_t at);

/* Is the part loaded, and what its last byte has after the last code zero?
 * (Codes are packed from the highest bits down.) */
int st_part_is_clean(const struct tensor_part *p);

/* Samples from first on that go into one record: at least one, and as many as
 * fit ST_CHUNK; *tokens is how many they have. */
size_t st_batch_size(const struct batch_columns *b, size_t first,
		     size_t *tokens);

/* ---- the digest of content ---- */

void st_content_add(struct digest *d, const char *type, const void *header,
		    size_t n);

/* As the records that a loaded tensor would make. */
int st_content_tensor(struct digest *d, struct msg_out *o,
		      const struct tensor *t) MUST_CHECK;

#endif
