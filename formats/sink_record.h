/*
 * sink_record - how bytes pass from a source to a sink unopened
 *
 * Between source.c, sink.c and the rows of formats that are tensor streams
 * themselves; programs call sink_pass().
 */
#ifndef FORMATS_SINK_RECORD_H
#define FORMATS_SINK_RECORD_H

#include "formats/sink.h"
#include "formats/st_record.h"

/* A record with header and stored payload as they are; its place, and so the
 * padding, is new. prov is kept instead. HEAD begins a stream of that kind. */
int sink_record(struct sink *s, const struct st_record *r,
		enum stream_kind kind, const void *header,
		const void *payload) MUST_CHECK;

/* Bytes of a stream that is passed on whole. */
int sink_bytes(struct sink *s, const void *at, size_t n) MUST_CHECK;

/* Can the current item be copied: is the row able to, and is it not loaded?
 * Then source_copy() does. */
int source_can_copy(const struct source *s);
int source_copy(struct source *s, struct sink *to) MUST_CHECK;

/* The stream of the current HEAD, to its end; *copied = 0: the row cannot. */
int source_copy_stream(struct source *s, struct sink *to,
		       int *copied) MUST_CHECK;

#endif
