/*
 * begin - an adapter's first values, while the base goes by
 *
 * Of a base only one tensor is in memory at a time: those that a kind looks at
 * (a weight that is trained whole, DoRA's norms) or changes (quant/start.h) are
 * loaded as they come, and only the adapter's parameters are kept.
 */
#ifndef TRAIN_BEGIN_H
#define TRAIN_BEGIN_H

#include "adapt/spec.h"
#include "quant/start.h"

struct begin {
	json_t *config;         /* adapt/spec.h; borrowed, and a soft prompt's
				 * is added to */
	uint64_t seed;
	const struct start_kind *start; /* NULL: the base stays as it is */
	struct start_options how; /* rank and scale are the adapter's */
	struct pool *pool;
	struct adapter_sites sites;
	size_t first;           /* of sites that the last tensor has */
	struct tensor_set values; /* parameters that are known already */
};

/* Meets the base's next tensor, not loaded. load: begin_take() wants it. */
int begin_look(struct begin *b, const struct tensor *t, int *load) MUST_CHECK;

/* The tensor, loaded. changed: what is to go on in its place, the caller's;
 * without a name: nothing is. */
int begin_take(struct begin *b, const struct tensor *t,
	       struct tensor *changed) MUST_CHECK;

/* After the last tensor: the adapters, placed, with their first values. */
int begin_end(struct begin *b, struct adapter_set *s) MUST_CHECK;

void begin_release(struct begin *b);    /* safe on a zeroed struct */

#endif
