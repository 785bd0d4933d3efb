#include "kernel/pack_avx512.h"

#include <string.h>

enum { DOT_VECTORS = DOT_COLUMNS / 16 };

/* See pack_code4_avx512.c: a permutation minds but the low 4 bits. */
INLINE void dot_k(__m512 sum[DOT_VECTORS], float x, __m512 book,
		  const __m512i code[DOT_VECTORS],
		  const __m512 scale[DOT_VECTORS])
{
	for (int g = 0; g < DOT_VECTORS; g++)
		sum[g] = _mm512_fmadd_ps(
			_mm512_set1_ps(x),
			_mm512_mul_ps(_mm512_permutexvar_ps(code[g], book),
				      scale[g]), sum[g]);
}

/* One row of x times 8 k of 48 columns, a dword of each. */
INLINE void dots(__m512 sum[DOT_VECTORS], const float *x, __m512 book,
		 const __m512i t[DOT_VECTORS], const __m512 s[DOT_VECTORS])
{
	__m512i code[DOT_VECTORS];

#define DOT_K(k, shift)                                                  \
	for (int g = 0; g < DOT_VECTORS; g++)                            \
		code[g] = _mm512_srli_epi32(t[g], shift);                \
	dot_k(sum, x[k], book, code, s);

	DOT_K(0, 4)
	DOT_K(1, 0)
	DOT_K(2, 12)
	DOT_K(3, 8)
	DOT_K(4, 20)
	DOT_K(5, 16)
	DOT_K(6, 28)
	DOT_K(7, 24)
#undef DOT_K
}

/* One row of x times 32 k of 48 columns, from k on. */
INLINE void dot_step(__m512 sum[DOT_VECTORS], const float *x,
		     const struct pack_code4 *f, __m512 book,
		     const uint8_t *const row[DOT_COLUMNS], size_t k)
{
	const float *at = f->scale + k / f->unit * f->scale_stride;
	__m512i t[4][DOT_VECTORS], turned[4];
	__m512 s[DOT_VECTORS];

#pragma GCC unroll 3
	for (int g = 0; g < DOT_VECTORS; g++) {
		s[g] = _mm512_loadu_ps(at + 16 * g);
		dwords16(turned, row + 16 * g, k / 2);
		for (int b = 0; b < 4; b++)
			t[b][g] = turned[b];
	}
#pragma GCC unroll 4
	for (int b = 0; b < 4; b++)
		dots(sum, x + k + 8 * b, book, t[b], s);
}

/* Asks for what the next columns will read, a share of it for 64 k: so many
 * streams, rows apart, would be too many for the processor to foresee. */
INLINE void next_columns(const struct pack_code4 *f, const uint8_t *row,
			 size_t k)
{
	uintptr_t at = (uintptr_t)row + DOT_COLUMNS * f->stride +
		       k / 2 * DOT_COLUMNS;

	for (size_t b = 0; b < 32 * DOT_COLUMNS; b += 64)
		_mm_prefetch((const char *)(at + b), _MM_HINT_T1);
}

/* y has room for all of the columns. */
static void dot_columns(float *y, const float *x, const struct pack_code4 *f,
			__m512 book, const uint8_t *const row[DOT_COLUMNS],
			size_t nk, int first)
{
	for (size_t k = 0; k < nk; first = 0) {
		size_t end = nk - k < GEMM_KC ? nk : k + GEMM_KC;
		__m512 sum[DOT_VECTORS];

		for (int g = 0; g < DOT_VECTORS; g++)
			sum[g] = _mm512_setzero_ps();
		for (; k < end; k += 32) {
			if (k % 64 == 0)
				next_columns(f, row[0], k);
			dot_step(sum, x, f, book, row, k);
		}
		for (int g = 0; g < DOT_VECTORS; g++)
			_mm512_storeu_ps(y + 16 * g, first ? sum[g] :
				_mm512_add_ps(_mm512_loadu_ps(y + 16 * g),
					      sum[g]));
	}
}

void dot_code4_avx512(float *y, const float *x, const struct pack_code4 *from,
		      size_t nk, size_t nn, int first)
{
	struct pack_code4 f = *from;
	const __m512 book = _mm512_loadu_ps(f.book);
	const uint8_t *row[DOT_COLUMNS];
	float part[DOT_COLUMNS] = { 0 };

	for (size_t j = 0; j < nn; j += DOT_COLUMNS) {
		size_t n = nn - j < DOT_COLUMNS ? nn - j : DOT_COLUMNS;

		for (size_t r = 0; r < DOT_COLUMNS; r++)
			row[r] = f.code + (r < n ? j + r : j) * f.stride;
		f.scale = from->scale + j;
		memcpy(part, y + j, n * sizeof(*y));
		dot_columns(part, x, &f, book, row, nk, first);
		memcpy(y + j, part, n * sizeof(*y));
	}
}
