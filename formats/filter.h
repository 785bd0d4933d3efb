/*
 * filter - the body of a program that changes some records of a stream
 *
 * Opens operands or standard input and the -o output, calls fn for every
 * tensor of the streams of kind, passes all else on, appends provenance and
 * end, closes and checks both ends. Holds one tensor at a time.
 */
#ifndef FORMATS_FILTER_H
#define FORMATS_FILTER_H

#include "base/opt.h"
#include "formats/sink.h"

struct filter {
	enum stream_kind kind;  /* the streams that are this program's */

	/* Called for each item of such a stream, before fn; may be NULL. Used
	 * to look at metas and blobs (which are passed on). */
	int (*look)(void *ctx, struct source *from,
		    const struct item *item) MUST_CHECK;

	/* A tensor: load it, write what becomes of it; or sink_pass() it. */
	int (*tensor)(void *ctx, struct source *from,
		      const struct item *item, struct sink *to) MUST_CHECK;
	void *ctx;
	int keep_blocks;        /* of a GGUF: see formats/source.h */
	const char *base;       /* for adapters: see source_base(); or NULL */
	int required;           /* E_DATA if no such stream came */
};

int filter_run(const struct filter *f, const struct opt_program *p,
	       char *const *operands, struct pool *pool) MUST_CHECK;

#endif
