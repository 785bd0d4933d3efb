/*
 * linear_filter - the body of a quantiser: a filter (formats/filter.h) that
 * changes the weights of a base's linear layers, and nothing else
 */
#ifndef FORMATS_LINEAR_FILTER_H
#define FORMATS_LINEAR_FILTER_H

#include "formats/filter.h"

struct linear_filter {
	const char *skip;       /* a regex: weights in whose name it is found
				 * are left alone; or NULL */
	/* Instead of skip, or NULL: is the weight to be changed? */
	int (*wanted)(void *ctx, const char *name, int *yes) MUST_CHECK;

	/* Called with config.json, before the first weight; or NULL. */
	int (*config)(void *ctx, json_t *config) MUST_CHECK;

	/* from is plain and loaded; to becomes what is written instead. */
	int (*quantise)(void *ctx, struct tensor *to,
			const struct tensor *from) MUST_CHECK;
	void *ctx;

	size_t linear;          /* set: weights seen, also those left alone */
	size_t done;
	uint64_t before, after; /* bytes of those that were changed */
};

/* E_USAGE: the regex; E_DATA: no base, or a weight that is quantised
 * already; what quantise() says. */
int linear_filter_run(struct linear_filter *f, const struct opt_program *p,
		      char *const *operands, struct pool *pool) MUST_CHECK;

/* The config of a linear_filter, from an item of the base; does nothing for
 * those that are not config.json. What config() says; E_DATA. */
int linear_filter_config(const struct linear_filter *f, struct source *from,
			 const struct item *item) MUST_CHECK;

/* What a program says in the end if it did not fail: a warning, or with -v the
 * counts; into buf of 200 bytes. NULL: nothing. */
const char *linear_filter_text(const struct linear_filter *f, char *buf);

#endif
