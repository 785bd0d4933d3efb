#include "kernel/gemm_tile.h"

#include <math.h>

#include "base/size.h"
#include "kernel/gemm.h"

static void tile(float acc[GEMM_MR][GEMM_NR], const float *x, const float *w,
		 size_t kc)
{
	for (size_t i = 0; i < GEMM_MR; i++)
		for (size_t j = 0; j < GEMM_NR; j++)
			acc[i][j] = 0;
	for (size_t k = 0; k < kc; k++, x += GEMM_MR, w += GEMM_NR)
		for (size_t i = 0; i < GEMM_MR; i++)
			for (size_t j = 0; j < GEMM_NR; j++)
				acc[i][j] = fmaf(x[i], w[j], acc[i][j]);
}

static void put(float *y, size_t stride, size_t m, size_t n,
		float acc[GEMM_MR][GEMM_NR], int first)
{
	for (size_t i = 0; i < m; i++, y += stride)
		for (size_t j = 0; j < n; j++)
			y[j] = first ? acc[i][j] : y[j] + acc[i][j];
}

void gemm_block_c(float *y, size_t stride, size_t m, size_t n, const float *x,
		  const float *w, size_t kc, int first)
{
	float acc[GEMM_MR][GEMM_NR];

	for (size_t j = 0; j < n; j += GEMM_NR)
		for (size_t i = 0; i < m; i += GEMM_MR) {
			tile(acc, x + i * kc, w + j * kc, kc);
			put(y + i * stride + j, stride,
			    size_min(m - i, GEMM_MR), size_min(n - j, GEMM_NR),
			    acc, first);
		}
}

void gemm_pack_x_c(float *dst, const float *x, size_t stride, size_t m,
		   size_t kc)
{
	for (size_t i = 0; i < m; i += GEMM_MR, dst += GEMM_MR * kc)
		for (size_t k = 0; k < kc; k++)
			for (size_t r = 0; r < GEMM_MR; r++)
				dst[k * GEMM_MR + r] =
					i + r < m ? x[(i + r) * stride + k] : 0;
}

void gemm_tn_block_c(float *sum, struct gemm_rows small, struct gemm_rows wide,
		     size_t m)
{
	for (size_t r = 0; r < m; r++) {
		const float *s = small.at + r * small.stride;
		const float *w = wide.at + r * wide.stride;

		for (size_t i = 0; i < small.n; i++)
			for (size_t j = 0; j < wide.n; j++)
				sum[i * GEMM_TN_COLS + j] =
					fmaf(s[i], w[j],
					     sum[i * GEMM_TN_COLS + j]);
	}
}
