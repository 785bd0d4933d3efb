/*
 * verify - does a merged model say what base and adapters say?
 *
 * Holds both models in memory, as they were read and as they are written.
 */
#ifndef INFER_VERIFY_H
#define INFER_VERIFY_H

#include "adapt/merge.h"
#include "infer/compare.h"

struct verify {
	struct tensor_set before, after; /* blobs among them */
	struct compare_front front; /* a soft prompt's tokens; or zeroes */
	struct comparison result;
};

/* Takes t's contents; a tensor that is the same in both, or goes on to be
 * changed (was), is copied. E_DATA: there are two of one name; E_NOMEM. */
int verify_before(struct verify *v, struct tensor *t) MUST_CHECK;
int verify_was(struct verify *v, const struct tensor *t) MUST_CHECK;
int verify_after(struct verify *v, struct tensor *t) MUST_CHECK;
int verify_both(struct verify *v, struct tensor *t) MUST_CHECK;

/*
 * Runs tokens of data through both; data without a sample: random tokens, from
 * seed. The last adapter runs beside the base, those before it are folded in
 * exactly. E_CONFIG: a scale that cannot be had beside the base.
 */
int verify_run(struct verify *v, struct merger *m, struct samples *data,
	       size_t tokens, uint64_t seed, struct pool *pool) MUST_CHECK;

/* The largest result.rms that storing the merged weights in their types, or
 * quantised, explains. */
double verify_tolerance(const struct verify *v, int requantised);

void verify_release(struct verify *v);  /* safe on a zeroed struct */

#endif
