/*
 * st_chunks - a tensor's parts as CHNK records, packed or raw
 *
 * Which chunks are packed depends on the bytes alone, and each is packed by
 * itself: so the output is the same for any number of threads.
 */
#ifndef FORMATS_ST_CHUNKS_H
#define FORMATS_ST_CHUNKS_H

#include "base/par.h"
#include "formats/st_header.h"
#include "formats/st_writer.h"

struct st_chunks;

/* pool may be NULL. E_NOMEM. */
int st_chunks_new(struct st_chunks **c, struct pool *pool) MUST_CHECK;
void st_chunks_free(struct st_chunks *c);       /* NULL is fine */

/*
 * All chunks of t, which is loaded, after its TENS record. level 0: raw. Else
 * elements of 16 bits and more go in planes through zstd, unless a part's first
 * chunk shrinks by less than a twentieth; and no chunk is stored larger than
 * it is.
 */
int st_chunks_put(struct st_chunks *c, struct st_writer *w,
		  const struct tensor *t, int level) MUST_CHECK;

/* Bytes that are no tensor's: packed in planes of 4 or raw, as r->payload and
 * its like; *stored points to them until the next call. */
int st_chunks_pack(struct st_chunks *c, struct st_record *r,
		   const void **stored, const void *at, size_t n,
		   int level) MUST_CHECK;

#endif
