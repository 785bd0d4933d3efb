/* combine_svd - the best product of a rank for a product of a larger one */
#ifndef ADAPT_COMBINE_SVD_H
#define ADAPT_COMBINE_SVD_H

#include "adapt/adapt.h"

/* to's first two parameters, A (rank, in) and B (out, rank), become the best
 * approximation of b (out, sum) a (sum, in), each with the root of the singular
 * values. b is overwritten. E_NOMEM; E_DATA, as base/lapack.h. */
int combine_svd(struct adapter *to, const float *a, float *b,
		size_t sum) MUST_CHECK;

#endif
