/*
 * st_writer - the records of tensor streams, written one after the other
 *
 * The counterpart of st_reader: places, hashes and counts; what the records
 * are about is the sink's business.
 */
#ifndef FORMATS_ST_WRITER_H
#define FORMATS_ST_WRITER_H

#include "base/digest.h"
#include "base/io.h"
#include "formats/st_record.h"

struct st_writer {
	struct io_out out;
	uint64_t start;         /* where the stream began */
	int inside;             /* between HEAD and ENDS */
	int align;              /* the largest so far, as a power of two */
	size_t records, tensors;
	struct digest *content, *prefixes;
};

/* E_USAGE, E_CREATE, E_NOMEM. Release it in any case. */
int st_writer_open(struct st_writer *w, const char *path) MUST_CHECK;

/* Frees; an output that was not closed is removed. */
void st_writer_release(struct st_writer *w);

/*
 * One record. Of r, the caller sets type, header, payload, packed, align,
 * planes, and payload_hash (0 unless there is one); pad and header_hash are
 * computed. A HEAD begins a stream.
 */
int st_writer_put(struct st_writer *w, struct st_record *r,
		  const void *header, const void *payload) MUST_CHECK;

/* Padding to the stream's largest alignment and ENDS. digest: the content's,
 * or NULL. */
int st_writer_end(struct st_writer *w,
		  unsigned char digest[DIGEST_SIZE]) MUST_CHECK;

/* Bytes of a record of another stream, which stay as they are. */
int st_writer_copy(struct st_writer *w, const void *at, size_t n) MUST_CHECK;

/* Zeros. */
int st_writer_zeros(struct st_writer *w, size_t n) MUST_CHECK;

/* Publishes the output. */
int st_writer_close(struct st_writer *w) MUST_CHECK;

/* ABRT and the end of an output that is no file of our own; what goes wrong
 * then is not said, because something else already did. */
void st_writer_abort(struct st_writer *w, int code, const char *tool,
		     const char *message);

#endif
