#include "kernel/pack_avx2.h"

#include "base/bytes.h"

enum {
	VECTORS = GEMM_NR / 8,
	LINE = 64 / sizeof(uint16_t),   /* k in a line of memory */
};

INLINE __m256 add(__m256 sum, const float *x, __m256i w)
{
	return _mm256_fmadd_ps(_mm256_broadcast_ss(x), _mm256_castsi256_ps(w),
			       sum);
}

/* One row of x times a line of k of 8 columns. A line is read once: of rows
 * that are a power of two apart, few stay near. */
INLINE __m256 add_line(__m256 sum, const float *x, const uint8_t *const *row,
		       size_t at)
{
	const __m256i high = _mm256_set1_epi32((int)0xffff0000);
	__m256i t[4];

#pragma GCC unroll 4
	for (size_t b = 0; b < 4; b++, x += 8) {
		dwords8(t, row, at + 16 * b);
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++) {
			sum = add(sum, x + 2 * i, _mm256_slli_epi32(t[i], 16));
			sum = add(sum, x + 2 * i + 1,
				  _mm256_and_si256(t[i], high));
		}
	}
	return sum;
}

INLINE __m256 add_one(__m256 sum, const float *x, const uint8_t *const *row,
		      size_t at)
{
	uint32_t w[8];

	for (int r = 0; r < 8; r++)
		w[r] = (uint32_t)le16_get(row[r] + at) << 16;
	return add(sum, x, _mm256_loadu_si256((const void *)w));
}

/* y has room for all of the columns; next: the columns after them, which are
 * asked for in the order of memory, a share for each 8 of these. */
static void dot_columns(float *y, const float *x,
			const uint8_t *const row[GEMM_NR], uintptr_t next,
			size_t nk, int first)
{
	for (size_t k = 0; k < nk; first = 0) {
		size_t end = nk - k < GEMM_KC ? nk : k + GEMM_KC;
		__m256 sum[VECTORS];

		for (int v = 0; v < VECTORS; v++)
			sum[v] = _mm256_setzero_ps();
		for (; k + LINE <= end; k += LINE)
			for (int v = 0; v < VECTORS; v++, next += 8 * 64) {
				soon(next, 7 * 64);
				sum[v] = add_line(sum[v], x + k, row + 8 * v,
						  2 * k);
			}
		for (; k < end; k++)
			for (int v = 0; v < VECTORS; v++)
				sum[v] = add_one(sum[v], x + k, row + 8 * v,
						 2 * k);
		for (int v = 0; v < VECTORS; v++)
			_mm256_storeu_ps(y + 8 * v, first ? sum[v] :
				_mm256_add_ps(_mm256_loadu_ps(y + 8 * v),
					      sum[v]));
	}
}

void dot_bf16_avx2(float *y, const float *x, const uint16_t *src,
		   size_t stride, size_t nk, size_t nn, int first)
{
	const uint8_t *row[GEMM_NR];
	float part[GEMM_NR] = { 0 };

	for (size_t j = 0; j < nn; j += GEMM_NR) {
		size_t n = nn - j < GEMM_NR ? nn - j : GEMM_NR;

		for (size_t r = 0; r < GEMM_NR; r++)
			row[r] = (const uint8_t *)
				 (src + (j + (r < n ? r : 0)) * stride);
		memcpy(part, y + j, n * sizeof(*y));
		dot_columns(part, x, row, (uintptr_t)row[0] +
			    GEMM_NR * stride * sizeof(*src), nk, first);
		memcpy(y + j, part, n * sizeof(*y));
	}
}
