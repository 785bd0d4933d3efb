/*
 * start - first values of A and B that change the base too
 *
 * A way is one row of one file start_<name>.c: from W it makes A (r, in),
 * B (out, r), and the base that goes with them, so that the model is about as
 * it was: base + s B A = W, or as near as the base's storage allows.
 */
#ifndef QUANT_START_H
#define QUANT_START_H

#include "quant/quant_nf4.h"

struct start_options {
	size_t rank;
	double scale;           /* s */
	size_t iterations;      /* loftq; at least 1 */
	struct quant_nf4 nf4;   /* loftq's storage */
};

struct start_kind {
	const char *name;

	/* w: plain, loaded, not changed. base: new, of w's name, role and
	 * shape, loaded. a, b: written. E_DATA: w is quantised already;
	 * E_NOMEM. */
	int (*make)(struct tensor *base, float *a, float *b,
		    const struct tensor *w, const struct start_options *o,
		    struct pool *pool) MUST_CHECK;
};

const struct start_kind *start_find(const char *name);  /* NULL: none */

/* ---- for the kinds ---- */

/* W as f32, malloced. E_DATA: it is quantised. */
int start_values(float **to, const struct tensor *w) MUST_CHECK;

/* The best factors of rank r: a = diag(sqrt(S / s)) V^T, b = U diag(sqrt(S /
 * s)) of the first r singular values of x (out, in), which is spoilt. */
int start_factors(float *a, float *b, float *x, size_t out, size_t in,
		  const struct start_options *o) MUST_CHECK;

/* to = w - s B A, all (out, in). */
void start_residual(float *to, const float *w, const float *a, const float *b,
		    size_t out, size_t in, const struct start_options *o);

/* base: new, plain, of w's type, from f32 values. */
int start_base(struct tensor *base, const struct tensor *w,
	       const float *values) MUST_CHECK;

extern const struct start_kind
	start_loftq,
	start_olora,
	start_pissa;

#endif
