/*
 * st_record - the 48 bytes that begin a record of a tensor stream
 *
 * docs/st.5 has the layout. A prefix checks itself, says how far the next one
 * is, and has the hashes of what lies between.
 */
#ifndef FORMATS_ST_RECORD_H
#define FORMATS_ST_RECORD_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum {
	ST_PREFIX = 48,
	ST_MAJOR = 1,                   /* HEAD.st */
	ST_ENDS = 256,                  /* bytes of an ENDS record */
	ST_HEADER = 64 << 10,           /* the longest header */
	ST_HEADER_LONG = 1 << 20,       /* of META and prov */
	ST_PAYLOAD = 64 << 20,          /* the largest payload, decoded too */
	ST_CHUNK = 4 << 20,             /* the largest that we write */
	ST_PAD = 8192,                  /* padding is shorter */
	ST_ALIGN = 12,                  /* 4096: the largest alignment */
	ST_LARGE = 64 << 10,            /* raw payloads from here on have it */
	ST_TENSORS = 1 << 20,           /* in a stream */
	ST_KEPT = 4096,                 /* provenance records in a stream */
};

struct st_record {
	char type[5];           /* "TENS" */
	size_t header;          /* bytes of it */
	size_t pad;             /* zeros between header and payload */
	size_t payload;         /* stored bytes */
	uint64_t header_hash;
	uint64_t payload_hash;  /* of the stored bytes; 0: there are none */
	int packed;             /* the payload is a zstd frame */
	int align;              /* payload starts at a multiple of 2^align */
	int planes;             /* width of the elements split; 0: not split */
};

/* An upper-case first letter: a reader that does not know it must refuse. */
static inline int st_is_critical(const char *type)
{
	return !(type[0] & 0x20);
}

/* Does the record's header count in the digest of the content? */
int st_is_content(const char *type);

/* Bytes of the whole record. */
size_t st_record_size(const struct st_record *r);

/* E_DATA: damaged, or beyond the limits above. */
int st_record_get(struct st_record *r,
		  const unsigned char at[ST_PREFIX]) MUST_CHECK;
void st_record_put(const struct st_record *r, unsigned char at[ST_PREFIX]);

#endif
