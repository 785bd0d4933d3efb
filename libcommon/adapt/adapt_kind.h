/* adapt_kind - what kinds of adapters share; for adapt*.c and the ops */
#ifndef ADAPT_ADAPT_KIND_H
#define ADAPT_ADAPT_KIND_H

#include "adapt/adapt.h"

/* Adds a parameter to a; rows, cols > 0. */
void adapter_param_add(struct adapter *a, const char *name, size_t rows,
		       size_t cols);

/* Parameter i: normal values of this deviation. */
void adapter_init_normal(struct adapter *a, size_t i, float deviation,
			 uint64_t seed);

/* Is there dropout in this pass? */
int adapter_drops(const struct adapter *a, const struct adapt_pass *p);

/* Floats of scratch for a row of x: none without dropout, mostly. */
size_t adapter_scratch(const struct adapter *a);

/* drop(x), in p->scratch; x itself where there is none. */
struct mat adapter_drop(const struct adapter *a, const struct adapt_pass *p,
			struct mat x);

/* The sequences of a pass over so many rows: *start has one more than there
 * are, which is returned. whole: room for two, for a pass without a batch. */
size_t adapter_sequences(const struct adapt_pass *p, size_t rows,
			 size_t whole[2], const size_t **start);

/* g (a.cols, b.cols) += a^T b, whose rows are the pass's, sequence by sequence;
 * stride is g's. */
void adapter_gradient(const struct adapt_pass *p, float *g, size_t stride,
		      struct mat a, struct mat b);

/* The layer's bias as one more parameter. */
void adapter_bias_add(struct adapter *a);

/* Its gradient += the column sums of dy, whose rows have its length once, or
 * whole times. Nothing where it is not trained. */
void adapter_bias_gradient(const struct adapter *a, const struct adapt_pass *p,
			   struct mat dy);

/* dx += add through the same mask. */
void adapter_undrop(const struct adapter *a, const struct adapt_pass *p,
		    struct mat dx, struct mat add);

#endif
