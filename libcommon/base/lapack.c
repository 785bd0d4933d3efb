#include "base/lapack.h"

#include <limits.h>

/* Fortran's and OpenBLAS' own; the last argument is the length of a text. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda,
	     int *info, size_t len);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda,
	     int *info, size_t len);
void openblas_set_num_threads(int n);

/* A row-major upper triangle is a column-major lower one. */
int lapack_cholesky_of_inverse(double *a, size_t n)
{
	int size = (int)n, info;

	if (!n || n > INT_MAX)
		return 1;
	openblas_set_num_threads(1);
	dpotrf_("L", &size, a, &size, &info, 1);
	if (!info)
		dpotri_("L", &size, a, &size, &info, 1);
	if (!info)
		dpotrf_("L", &size, a, &size, &info, 1);
	return info != 0;
}
