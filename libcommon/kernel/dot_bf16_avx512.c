#include "kernel/pack_avx512.h"

#include <string.h>

#include "base/bytes.h"

enum {
	DOT_VECTORS = DOT_COLUMNS / 16,
	LINE = 64 / sizeof(uint16_t),   /* k in a line of memory */
};

INLINE __m512 add(__m512 sum, float x, __m512i w)
{
	return _mm512_fmadd_ps(_mm512_set1_ps(x), _mm512_castsi512_ps(w), sum);
}

/* One row of x times a line of k of 16 columns. A line is read once: of rows
 * that are a power of two apart, few stay near. */
INLINE __m512 add_line(__m512 sum, const float *x, const uint8_t *const *row,
		       size_t at)
{
	const __m512i high = _mm512_set1_epi32((int)0xffff0000);
	__m512i t[16];

#pragma GCC unroll 16
	for (int r = 0; r < 16; r++)
		t[r] = _mm512_loadu_si512(row[r] + at);
	square16(t);
#pragma GCC unroll 16
	for (int i = 0; i < 16; i++) {
		sum = add(sum, x[2 * i], _mm512_slli_epi32(t[i], 16));
		sum = add(sum, x[2 * i + 1], _mm512_and_si512(t[i], high));
	}
	return sum;
}

INLINE __m512 add_one(__m512 sum, float x, const uint8_t *const *row,
		      size_t at)
{
	uint32_t w[16];

	for (int r = 0; r < 16; r++)
		w[r] = (uint32_t)le16_get(row[r] + at) << 16;
	return add(sum, x, _mm512_loadu_si512(w));
}

/* Asks for what the next columns will read, a share of it for each 16. */
INLINE void soon16(uintptr_t at)
{
	for (size_t b = 0; b < 16; b++)
		_mm_prefetch((const char *)(at + 64 * b), _MM_HINT_T1);
}

/* y has room for all of the columns; next: the columns after them. */
static void dot_columns(float *y, const float *x,
			const uint8_t *const row[DOT_COLUMNS], uintptr_t next,
			size_t nk, int first)
{
	for (size_t k = 0; k < nk; first = 0) {
		size_t end = nk - k < GEMM_KC ? nk : k + GEMM_KC;
		__m512 sum[DOT_VECTORS];

		for (int g = 0; g < DOT_VECTORS; g++)
			sum[g] = _mm512_setzero_ps();
		for (; k + LINE <= end; k += LINE)
			for (int g = 0; g < DOT_VECTORS; g++, next += 1024) {
				soon16(next);
				sum[g] = add_line(sum[g], x + k, row + 16 * g,
						  2 * k);
			}
		for (; k < end; k++)
			for (int g = 0; g < DOT_VECTORS; g++)
				sum[g] = add_one(sum[g], x[k], row + 16 * g,
						 2 * k);
		for (int g = 0; g < DOT_VECTORS; g++)
			_mm512_storeu_ps(y + 16 * g, first ? sum[g] :
				_mm512_add_ps(_mm512_loadu_ps(y + 16 * g),
					      sum[g]));
	}
}

void dot_bf16_avx512(float *y, const float *x, const uint16_t *src,
		     size_t stride, size_t nk, size_t nn, int first)
{
	const uint8_t *row[DOT_COLUMNS];
	float part[DOT_COLUMNS] = { 0 };

	for (size_t j = 0; j < nn; j += DOT_COLUMNS) {
		size_t n = nn - j < DOT_COLUMNS ? nn - j : DOT_COLUMNS;

		for (size_t r = 0; r < DOT_COLUMNS; r++)
			row[r] = (const uint8_t *)
				 (src + (j + (r < n ? r : 0)) * stride);
		memcpy(part, y + j, n * sizeof(*y));
		dot_columns(part, x, row, (uintptr_t)row[0] +
			    DOT_COLUMNS * stride * sizeof(*src), nk, first);
		memcpy(y + j, part, n * sizeof(*y));
	}
}
