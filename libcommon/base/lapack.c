#include "base/lapack.h"

#include <limits.h>
#include <stdlib.h>

/* Fortran's and OpenBLAS' own; the last argument is the length of a text. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda,
	     int *info, size_t len);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda,
	     int *info, size_t len);
void sgesdd_(const char *job, const int *m, const int *n, float *a,
	     const int *lda, float *s, float *u, const int *ldu, float *vt,
	     const int *ldvt, float *work, const int *lwork, int *iwork,
	     int *info);
void sgeqrf_(const int *m, const int *n, float *a, const int *lda, float *tau,
	     float *work, const int *lwork, int *info);
void sorgqr_(const int *m, const int *n, const int *k, float *a,
	     const int *lda, const float *tau, float *work, const int *lwork,
	     int *info);
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

static int failed(int info)
{
	return info ? err_set(E_DATA, "the decomposition did not converge "
			      "(%d)", info) : 0;
}

/* Fortran's columns are our rows: it sees a^T = V diag(s) U^T. */
int lapack_svd(float *u, float *s, float *vt, float *a, size_t m, size_t n)
{
	size_t least = m < n ? m : n;
	int rows = (int)n, cols = (int)m, k = (int)least, lwork = -1, info;
	int *iwork = malloc(8 * least * sizeof(*iwork));
	float ask, *work;

	if (m > INT_MAX / 8 || n > INT_MAX / 8 || !iwork) {
		free(iwork);
		return err_set(E_NOMEM, "out of memory");
	}
	openblas_set_num_threads(1);
	sgesdd_("S", &rows, &cols, a, &rows, s, vt, &rows, u, &k, &ask, &lwork,
		iwork, &info);
	lwork = (int)(ask * 1.01f) + 1;
	work = malloc((size_t)lwork * sizeof(*work));
	if (work)
		sgesdd_("S", &rows, &cols, a, &rows, s, vt, &rows, u, &k, work,
			&lwork, iwork, &info);
	free(iwork);
	if (!work)
		return err_set(E_NOMEM, "out of memory");
	free(work);
	return failed(info);
}

static void transpose(float *to, const float *from, size_t rows, size_t cols)
{
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < cols; j++)
			to[j * rows + i] = from[i * cols + j];
}

/* R from the upper triangle of t's columns, and t becomes Q's columns. */
static int factor(float *t, float *r, int m, int n, int k)
{
	int lwork = 64 * (n > m ? n : m), info;
	float *room = malloc(((size_t)k + (size_t)lwork) * sizeof(*room));
	float *tau = room, *work = room + k;

	if (!room)
		return err_set(E_NOMEM, "out of memory");
	openblas_set_num_threads(1);
	sgeqrf_(&m, &n, t, &m, tau, work, &lwork, &info);
	for (int i = 0; i < k; i++)
		for (int j = 0; j < n; j++)
			r[i * n + j] = j < i ? 0 : t[(size_t)j * (size_t)m +
						     (size_t)i];
	if (!info)
		sorgqr_(&m, &k, &k, t, &m, tau, work, &lwork, &info);
	free(room);
	return failed(info);
}

int lapack_qr(float *q, float *r, float *a, size_t m, size_t n)
{
	size_t k = m < n ? m : n;
	float *t;
	int err;

	if (m > INT_MAX / 64 || n > INT_MAX / 64)
		return err_set(E_NOMEM, "out of memory");
	t = malloc(m * n * sizeof(*t));
	if (!t)
		return err_set(E_NOMEM, "out of memory");
	transpose(t, a, m, n);
	err = factor(t, r, (int)m, (int)n, (int)k);
	if (!err)
		transpose(q, t, k, m);
	free(t);
	return err;
}
