/*
 * svd - singular values and triangular factors; the only file that knows LAPACK
 *
 * All matrices are row-major, without gaps. One thread. Signs, and the last
 * bits, are the library's, which has other kernels for other processors: what
 * is made with these is not the same bytes everywhere.
 */
#ifndef BASE_SVD_H
#define BASE_SVD_H

#include "base/err.h"

#include <stddef.h>

/* a (m, n) = U diag(s) V^T with k = min(m, n), s descending: u (m, k), s (k),
 * vt (k, n). a is spoilt. E_NOMEM; E_DATA: it did not converge. */
int svd(float *u, float *s, float *vt, float *a, size_t m,
	size_t n) MUST_CHECK;

/* a (m, n) = Q R with k = min(m, n): q (m, k), r (k, n). a is spoilt. */
int qr(float *q, float *r, float *a, size_t m, size_t n) MUST_CHECK;

#endif
