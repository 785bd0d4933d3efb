/*
 * st_reader - the records of tensor streams, one after the other, all checked
 *
 * Knows the order that records must have and the sums that ENDS gives; knows
 * nothing of what is done with them. A payload is read only when it is asked
 * for, or skipped with the next record. Messages do not say where: that is
 * s->at.
 */
#ifndef FORMATS_ST_READER_H
#define FORMATS_ST_READER_H

#include "base/io.h"
#include "formats/codec.h"
#include "formats/st_header.h"
#include "formats/st_record.h"

struct st_names;

struct st_reader {
	struct io_in *in;
	uint64_t start;         /* where the stream began */
	uint64_t at;            /* where the current record began */
	int inside;             /* between HEAD and ENDS */

	struct st_record r;     /* the current record */
	unsigned char prefix[ST_PREFIX];
	unsigned char *header;  /* r.header bytes */
	size_t header_room;
	struct msg *msg;        /* the header, parsed; NULL: it has none */
	int unread;             /* the payload is still to come */
	int trust;              /* skip payloads without a look */

	enum stream_kind kind;
	struct tensor tensor;   /* the last TENS, without data unless loaded */
	struct st_chunk chunk;  /* the current CHNK */
	size_t part, offset;    /* of tensor: the chunk that must come next */
	size_t records, tensors;
	struct digest *content, *prefixes;
	unsigned char digest[DIGEST_SIZE]; /* after ENDS: the content's */
	struct st_names *names;

	struct codec *codec;
	unsigned char *stored;  /* scratch for payloads */
	size_t stored_room;
};

/* in stays the caller's. E_NOMEM. */
int st_reader_init(struct st_reader *s, struct io_in *in) MUST_CHECK;
void st_reader_release(struct st_reader *s); /* safe on a zeroed struct */

/*
 * The next record, up to its payload; *end: there is none, the input ended
 * after whole streams. ABRT is an error, with what it says. E_DATA, E_IO,
 * E_NOMEM.
 */
int st_reader_next(struct st_reader *s, int *end) MUST_CHECK;

/* Does a chunk of the current tensor come next? */
int st_reader_expects_chunk(const struct st_reader *s);

/* The current record's payload as it is stored, verified; into s->stored. */
int st_reader_stored(struct st_reader *s) MUST_CHECK;

/* Leaves the current record's payload out, without a look at it. */
int st_reader_leave(struct st_reader *s) MUST_CHECK;

/* The current record's payload decoded, n bytes, and its hash compared. */
int st_reader_decoded(struct st_reader *s, void *to, size_t n,
		      uint64_t hash) MUST_CHECK;

#endif
