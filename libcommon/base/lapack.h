/*
 * lapack - the door to OpenBLAS' LAPACK, on one thread
 *
 * What passes through here is equal from machine to machine to a tolerance
 * only. Matrices are row-major.
 */
#ifndef BASE_LAPACK_H
#define BASE_LAPACK_H

#include "base/err.h"

#include <stddef.h>

/*
 * a (n, n), symmetric, becomes U, upper triangular with a^-1 = U^T U; what is
 * below the diagonal is not set. Returns 1 if a is not positive definite (then
 * it is spoiled) or too large.
 */
int lapack_cholesky_of_inverse(double *a, size_t n);

/* a (m, n) = U diag(s) V^T with k = min(m, n), s descending: u (m, k), s (k),
 * vt (k, n). Signs are the library's. a is spoilt. E_NOMEM; E_DATA: it did not
 * converge. */
int lapack_svd(float *u, float *s, float *vt, float *a, size_t m,
	       size_t n) MUST_CHECK;

/* a (m, n) = Q R with k = min(m, n): q (m, k), r (k, n). a is spoilt. */
int lapack_qr(float *q, float *r, float *a, size_t m, size_t n) MUST_CHECK;

#endif
