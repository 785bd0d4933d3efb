/*
 * st_compare - do two inputs hold the same?
 *
 * Content is compared, not how it is compressed, and not where it came from:
 * metas as JSON, tensors by name within their stream, samples in order.
 */
#ifndef FORMATS_ST_COMPARE_H
#define FORMATS_ST_COMPARE_H

#include "base/err.h"

#include <stddef.h>

struct st_difference {
	const char *what;       /* "tensor", "meta", "data", "stream" */
	const char *name;       /* the tensor's or the meta's */
	const char *how;        /* "only in a", "shape 2x3 and 3x2"; NULL: */
	double most, rms;       /* values: largest and root mean square */
	double relative;        /* rms over that of a's values */
	size_t stream;          /* number of the stream, from 0 */
	int differs;            /* by more than is tolerated */
};

typedef void st_difference_fn(void *ctx, const struct st_difference *d);

struct st_tolerance {
	int exact;              /* tensors are bytes: storage counts too */
	double most;            /* largest difference of two values */
	double relative;        /* largest d.relative */
};

/*
 * Calls fn for every difference; where tensors are stored differently, or hold
 * other bytes, they are decoded, and what lies within the tolerance is told
 * too. *differ: something differs by more. Holds one tensor of each input, and
 * those that come in another order. paths end with NULL.
 */
int st_compare(int *differ, char *const *a, char *const *b,
	       const struct st_tolerance *tolerance, st_difference_fn *fn,
	       void *ctx) MUST_CHECK;

#endif
