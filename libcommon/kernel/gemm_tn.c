#include "kernel/gemm.h"

#include <string.h>

#include "base/size.h"
#include "kernel/table.h"

/* fma does not mind which factor comes first, so one kernel with a wide and a
 * small side serves both shapes of g; only adding to g tells them apart. */
struct job {
	float *g;
	size_t small_step, wide_step;   /* in g */
	struct gemm_rows small, wide;
	const size_t *start;            /* (n + 1) rows */
	size_t n;
};

static struct gemm_rows part(struct gemm_rows whole, size_t row, size_t col,
			     size_t most)
{
	return (struct gemm_rows){ whole.at + row * whole.stride + col,
				   whole.stride,
				   size_min(whole.n - col, most) };
}

static void add_to(const struct job *job, const float *sum, size_t i0,
		   size_t ni, size_t j0, size_t nj)
{
	float *g = job->g + i0 * job->small_step + j0 * job->wide_step;

	for (size_t i = 0; i < ni; i++)
		for (size_t j = 0; j < nj; j++)
			g[i * job->small_step + j * job->wide_step] +=
				sum[i * GEMM_TN_COLS + j];
}

/* m rows from row on, of the columns from j on. */
static void block(const struct job *job, size_t j, size_t row, size_t m)
{
	_Alignas(64) float sum[GEMM_TN_SMALL * GEMM_TN_COLS];
	struct gemm_rows wide = part(job->wide, row, j, GEMM_TN_COLS);

	for (size_t i = 0; i < job->small.n; i += GEMM_TN_SMALL) {
		struct gemm_rows small = part(job->small, row, i,
					      GEMM_TN_SMALL);

		memset(sum, 0, small.n * GEMM_TN_COLS * sizeof(*sum));
		kernels()->gemm_tn_block(sum, small, wide, m);
		add_to(job, sum, i, small.n, j, wide.n);
	}
}

static void columns_task(void *ctx, size_t task, size_t lane)
{
	const struct job *job = ctx;

	(void)lane;
	for (size_t s = 0; s < job->n; s++)
		for (size_t row = job->start[s]; row < job->start[s + 1];
		     row += GEMM_TN_ROWS)
			block(job, task * GEMM_TN_COLS, row,
			      size_min(job->start[s + 1] - row, GEMM_TN_ROWS));
}

void gemm_tn(struct pool *pool, float *g, size_t gstride, const float *p,
	     size_t pstride, size_t a, const float *q, size_t qstride,
	     size_t b, const size_t *start, size_t n)
{
	struct gemm_rows rows = { p, pstride, a }, cols = { q, qstride, b };
	struct job job = { g, gstride, 1, rows, cols, start, n };

	if (a > b)
		job = (struct job){ g, 1, gstride, cols, rows, start, n };
	pool_run(pool, size_ceil(job.wide.n, GEMM_TN_COLS), columns_task,
		 &job);
}
