/*
 * verify - does a merged model say what base and adapters say?
 *
 * Holds both models, as they were read and as they are written: in memory, or
 * where `keep` puts them, for a budget.
 */
#ifndef INFER_VERIFY_H
#define INFER_VERIFY_H

#include "adapt/merge.h"
#include "infer/compare.h"

struct verify {
	struct tensor_set before, after; /* blobs among them */
	struct compare_front front; /* a soft prompt's tokens; or zeroes */
	struct comparison result;

	/* A tensor that goes into a set: its bytes may be put elsewhere, if
	 * the set then lends them. NULL: they stay. */
	int (*keep)(void *ctx, const struct tensor_set *set, struct tensor *t);
	void *keep_ctx;
	uint64_t memory;        /* for the comparison, or 0 */
};

/* Takes t's contents; a tensor that is the same in both, or goes on to be
 * changed (was), is copied. For before, all adapters but the last are folded
 * in, in f32. E_DATA: there are two of one name; E_NOMEM. */
int verify_before(struct verify *v, struct tensor *t, const struct merger *m,
		  struct pool *pool) MUST_CHECK;
int verify_was(struct verify *v, const struct tensor *t) MUST_CHECK;
int verify_after(struct verify *v, struct tensor *t) MUST_CHECK;
int verify_both(struct verify *v, struct tensor *t) MUST_CHECK;

/* Before the base is read. E_CONFIG: the last adapter cannot be had beside a
 * base that the others are in: its scale, which what is trained whole, a bias
 * and DoRA have not; or DoRA, where another adapter changes the same weight. */
int verify_allows(const struct merger *m) MUST_CHECK;

/*
 * Runs tokens of data through both; data without a sample: random tokens, from
 * seed. The last adapter runs beside the base, with a scale that
 * verify_allows(). E_NOMEM.
 */
int verify_run(struct verify *v, struct merger *m, struct samples *data,
	       size_t tokens, uint64_t seed, struct pool *pool) MUST_CHECK;

/* What summing in another order explains. */
#define VERIFY_EXACT 1e-4

/* *most: the largest result.rms that storing the merged weights in their types,
 * or quantised, explains; VERIFY_EXACT where nothing is rounded to 16 bits or
 * codes. E_DATA, E_IO, E_NOMEM. */
int verify_tolerance(double *most, const struct verify *v,
		     int requantised) MUST_CHECK;

void verify_release(struct verify *v);  /* safe on a zeroed struct */

#endif
