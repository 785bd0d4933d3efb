/*
 * gather - adapters in memory and bases still to be read, in whatever order
 * they come
 *
 * For a program that meets a base tensor by tensor and must know the adapters
 * before. Inputs are opened one by one; where a base begins, that input waits
 * and the next is looked at. If all are seen and no adapter was among them,
 * the waiting inputs are searched for one: a file is read twice, a pipe's base
 * is spooled to $TMPDIR.
 */
#ifndef FORMATS_GATHER_H
#define FORMATS_GATHER_H

#include "base/opt.h"
#include "formats/collect.h"
#include "formats/sink.h"

struct gather_base;

struct gather {
	struct collected *adapter;
	size_t nadapter;
	struct input_digest *input; /* (nadapter) their digests */
	struct gather_base **base;
	size_t nbase, at;
};

/* adapters: files that an option named; paths: as source_open()'s. E_DATA: no
 * base, or no adapter. Release g also after a failure. */
int gather(struct gather *g, const struct opt_list *adapters,
	   char *const *paths) MUST_CHECK;

/* Shows fn every tensor, without its data, of the bases that can be read twice,
 * before gather_next() goes through them. *all: that was every base. What fn
 * returns, E_DATA, E_IO, E_NOMEM. */
int gather_look(const struct gather *g,
		int (*fn)(void *ctx, const struct tensor *t), void *ctx,
		int *all) MUST_CHECK;

/* The next item of the bases' streams, and of which source; ITEM_NONE after
 * the last. E_DATA: an adapter that comes after its base, when others were
 * there before. */
int gather_next(struct gather *g, struct source **from,
		struct item *item) MUST_CHECK;

/* Does the adapter's provenance say that it was made for another base than the
 * one of this digest? An imported adapter says nothing. */
int gather_is_foreign(const struct collected *adapter,
		      const unsigned char digest[16]);

/* What the adapters were made by, and that p made something of them and of the
 * base that ends with item. */
int gather_provenance(const struct gather *g, struct sink *to,
		      const struct opt_program *p,
		      const struct item *item) MUST_CHECK;

void gather_release(struct gather *g);

#endif
