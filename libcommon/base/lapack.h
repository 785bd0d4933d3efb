/*
 * lapack - the door to OpenBLAS' LAPACK, on one thread
 *
 * What passes through here is equal from machine to machine to a tolerance
 * only. Matrices are row-major.
 */
#ifndef BASE_LAPACK_H
#define BASE_LAPACK_H

#include <stddef.h>

/*
 * a (n, n), symmetric, becomes U, upper triangular with a^-1 = U^T U; what is
 * below the diagonal is not set. Returns 1 if a is not positive definite (then
 * it is spoiled) or too large.
 */
int lapack_cholesky_of_inverse(double *a, size_t n);

#endif
