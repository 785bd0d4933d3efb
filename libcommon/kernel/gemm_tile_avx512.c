#include "kernel/gemm_tile.h"

#include <immintrin.h>
#include <string.h>

#include "kernel/gemm.h"
#include "kernel/gemm_block_avx512.h"

INLINE __m512 step(__m512 x, __m512 w, __m512 sum)
{
	return _mm512_fmadd_ps(x, w, sum);
}

/* Three registers are two panels; a last one is done as well by AVX2. */
void gemm_block_avx512(float *y, size_t stride, size_t m, size_t n,
		       const float *x, const float *w, size_t kc, int first)
{
	size_t j = 0;

	for (; j + GEMM_NR < n; j += 2 * GEMM_NR) {
		struct place p = { y + j, stride, m, n - j, first };

		two_panels(p, (struct factors){ x, w + j * kc, kc }, step);
	}
	if (j < n)
		gemm_block_avx2(y + j, stride, m, n - j, x, w + j * kc, kc,
				first);
}

/* As tile(), but in place, and the sums are in memory; rows and vectors are
 * constants, mask the columns of the last vector. */
INLINE void tile_tn(float *sum, int rows, int vectors, __mmask16 mask,
		    struct gemm_rows small, struct gemm_rows wide, size_t m)
{
	__m512 s[ROWS][3], w[3];
	int last = vectors - 1;

#pragma GCC unroll 8
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
		for (int j = 0; j < vectors; j++)
			s[i][j] = _mm512_loadu_ps(sum + i * GEMM_TN_COLS +
						  16 * j);
	for (; m > 0; m--, small.at += small.stride, wide.at += wide.stride) {
#pragma GCC unroll 3
		for (int j = 0; j < last; j++)
			w[j] = _mm512_loadu_ps(wide.at + 16 * j);
		w[last] = _mm512_maskz_loadu_ps(mask, wide.at + 16 * last);
#pragma GCC unroll 3
		for (int j = 0; j < vectors; j++)
			__builtin_prefetch(wide.at + 16 * (vectors + j));
#pragma GCC unroll 8
		for (int i = 0; i < rows; i++) {
			__m512 x = _mm512_set1_ps(small.at[i]);

#pragma GCC unroll 3
			for (int j = 0; j < vectors; j++)
				s[i][j] = _mm512_fmadd_ps(x, w[j], s[i][j]);
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
		for (int j = 0; j < vectors; j++)
			_mm512_storeu_ps(sum + i * GEMM_TN_COLS + 16 * j,
					 s[i][j]);
}

INLINE void rows_tn(float *sum, int vectors, __mmask16 mask,
		    struct gemm_rows small, struct gemm_rows wide, size_t m)
{
	size_t n = small.n;

	for (; n >= ROWS; n -= ROWS, small.at += ROWS) {
		tile_tn(sum, ROWS, vectors, mask, small, wide, m);
		sum += ROWS * GEMM_TN_COLS;
	}
	for (; n >= GEMM_MR; n -= GEMM_MR, small.at += GEMM_MR) {
		tile_tn(sum, GEMM_MR, vectors, mask, small, wide, m);
		sum += GEMM_MR * GEMM_TN_COLS;
	}
	for (; n > 0; n--, small.at++, sum += GEMM_TN_COLS)
		tile_tn(sum, 1, vectors, mask, small, wide, m);
}

/* sum is wide enough for the lanes that are off: they stay as they are, but
 * for infinity times 0, which nobody reads. */
static void step_tn(float *sum, struct gemm_rows small, struct gemm_rows wide,
		    size_t m)
{
	size_t j = 0;

	for (; j + 48 <= wide.n; j += 48, wide.at += 48)
		rows_tn(sum + j, 3, 0xffff, small, wide, m);
	for (; j + 16 <= wide.n; j += 16, wide.at += 16)
		rows_tn(sum + j, 1, 0xffff, small, wide, m);
	if (j < wide.n)
		rows_tn(sum + j, 1, (__mmask16)((1u << (wide.n - j)) - 1),
			small, wide, m);
}

/* A few rows at a time stay in L1 for every pass over them; with many passes,
 * side by side, since rows a power of two apart do not. */
enum { TN_STEP = 32, TN_COPY = 16 };

void gemm_tn_block_avx512(float *sum, struct gemm_rows small,
			  struct gemm_rows wide, size_t m)
{
	float copy[TN_STEP * GEMM_TN_COLS];

	for (size_t k = 0; k < m; k += TN_STEP) {
		size_t step = m - k < TN_STEP ? m - k : TN_STEP;
		struct gemm_rows s = small, w = wide;

		s.at += k * small.stride;
		w.at += k * wide.stride;
		if (small.n >= TN_COPY) {
			for (size_t r = 0; r < step; r++)
				memcpy(copy + r * wide.n,
				       w.at + r * wide.stride,
				       wide.n * sizeof(*copy));
			w.at = copy;
			w.stride = wide.n;
		}
		step_tn(sum, s, w, step);
	}
}
