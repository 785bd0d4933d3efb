#include "kernel/pack_avx512.h"

#include <string.h>

enum { DOT_VECTORS = DOT_COLUMNS / 16 };

/* What makes values of a unit's codes, see struct dot_code4. */
struct made {
	enum code4_form form;
	__m512 book, scale[DOT_VECTORS], plus[DOT_VECTORS];
};

/* See pack_code4_avx512.c: a permutation minds but the low 4 bits. */
INLINE __m512 value(const struct made *m, __m512i code, int g)
{
	__m512 v = _mm512_permutexvar_ps(code, m->book);

	if (m->form == CODE4_PAIRS_LESS)
		return _mm512_mul_ps(_mm512_sub_ps(v, m->plus[g]),
				     m->scale[g]);
	v = _mm512_mul_ps(v, m->scale[g]);
	return adds_plus(m->form) ? _mm512_add_ps(v, m->plus[g]) : v;
}

INLINE void dot_k(__m512 sum[DOT_VECTORS], const float *x,
		  const struct made *m, const __m512i t[DOT_VECTORS],
		  unsigned shift)
{
	const __m512 by = _mm512_set1_ps(*x);

	for (int g = 0; g < DOT_VECTORS; g++)
		sum[g] = _mm512_fmadd_ps(
			by, value(m, _mm512_srli_epi32(t[g], shift), g),
			sum[g]);
}

/* One row of x times 8 k of 48 columns, a dword of each. */
INLINE void dot_pairs(__m512 sum[DOT_VECTORS], const float *x,
		      const struct made *m, const __m512i t[DOT_VECTORS])
{
	dot_k(sum, x, m, t, 4);
	dot_k(sum, x + 1, m, t, 0);
	dot_k(sum, x + 2, m, t, 12);
	dot_k(sum, x + 3, m, t, 8);
	dot_k(sum, x + 4, m, t, 20);
	dot_k(sum, x + 5, m, t, 16);
	dot_k(sum, x + 6, m, t, 28);
	dot_k(sum, x + 7, m, t, 24);
}

/* 4 k: a half of each byte of the dwords. */
INLINE void dot_halves(__m512 sum[DOT_VECTORS], const float *x,
		       const struct made *m, const __m512i t[DOT_VECTORS],
		       unsigned shift)
{
	dot_k(sum, x, m, t, shift);
	dot_k(sum, x + 1, m, t, shift + 8);
	dot_k(sum, x + 2, m, t, shift + 16);
	dot_k(sum, x + 3, m, t, shift + 24);
}

/* Asks for what the next columns will read, a share of it for 8 k: so many
 * streams, rows apart, would be too many for the processor to foresee, and
 * more at once would wait for each other. */
INLINE void next_columns(const struct dot_code4 *d, const uint8_t *row,
			 size_t k)
{
	size_t bytes = DOT_COLUMNS / 4 * (16 + d->gap);
	uintptr_t at = (uintptr_t)row + DOT_COLUMNS * d->from.stride +
		       k / 8 * bytes;

	for (size_t b = 0; b < bytes; b += 64)
		_mm_prefetch((const char *)(at + b), _MM_HINT_T1);
}

/* One row of x times 32 k of 48 columns, from k on. */
INLINE void dot_step(__m512 sum[DOT_VECTORS], const float *x,
		     const struct dot_code4 *d, struct made *m,
		     const uint8_t *const row[DOT_COLUMNS], size_t k)
{
	size_t at = code4_unit(&d->from, k) * d->from.scale_stride;
	__m512i t[4][DOT_VECTORS], turned[4];

	x += k;
#pragma GCC unroll 3
	for (int g = 0; g < DOT_VECTORS; g++) {
		m->scale[g] = _mm512_loadu_ps(d->from.scale + at + 16 * g);
		if (has_plus(m->form))
			m->plus[g] = _mm512_loadu_ps(d->plus + at + 16 * g);
		dwords16(turned, row + 16 * g, dot_code4_at(d, k));
		for (int b = 0; b < 4; b++)
			t[b][g] = turned[b];
	}
	if (m->form < CODE4_HALVES) {
#pragma GCC unroll 4
		for (int b = 0; b < 4; b++) {
			next_columns(d, row[0], k + 8 * (size_t)b);
			dot_pairs(sum, x + 8 * b, m, t[b]);
		}
		return;
	}
#pragma GCC unroll 8
	for (int b = 0; b < 8; b++) {
		if (b % 2 == 0)
			next_columns(d, row[0], k + 4 * (size_t)b);
		dot_halves(sum, x + 4 * b, m, t[b % 4], b < 4 ? 0 : 4);
	}
}

/* y has room for all of the columns. */
INLINE void dot_columns(float *y, const float *x, const struct dot_code4 *d,
			enum code4_form form,
			const uint8_t *const row[DOT_COLUMNS], size_t nk,
			int first)
{
	struct made m = { .form = form,
			  .book = _mm512_loadu_ps(d->from.book) };

	for (size_t k = 0; k < nk; first = 0) {
		size_t end = nk - k < GEMM_KC ? nk : k + GEMM_KC;
		__m512 sum[DOT_VECTORS];

		for (int g = 0; g < DOT_VECTORS; g++)
			sum[g] = _mm512_setzero_ps();
		for (; k < end; k += 32)
			dot_step(sum, x, d, &m, row, k);
		for (int g = 0; g < DOT_VECTORS; g++)
			_mm512_storeu_ps(y + 16 * g, first ? sum[g] :
				_mm512_add_ps(_mm512_loadu_ps(y + 16 * g),
					      sum[g]));
	}
}

#define DOT_AS(name, form)                                                 \
	static void name(float *y, const float *x,                         \
			 const struct dot_code4 *d,                        \
			 const uint8_t *const row[DOT_COLUMNS], size_t nk, \
			 int first)                                        \
	{                                                                  \
		dot_columns(y, x, d, form, row, nk, first);                \
	}

DOT_AS(pairs, CODE4_PAIRS)
DOT_AS(pairs_less, CODE4_PAIRS_LESS)
DOT_AS(pairs_plus, CODE4_PAIRS_PLUS)
DOT_AS(halves, CODE4_HALVES)
DOT_AS(halves_plus, CODE4_HALVES_PLUS)

typedef void dot_as_fn(float *y, const float *x, const struct dot_code4 *d,
		       const uint8_t *const row[DOT_COLUMNS], size_t nk,
		       int first);

static dot_as_fn *const dot_as[] = {
	[CODE4_PAIRS] = pairs,
	[CODE4_PAIRS_LESS] = pairs_less,
	[CODE4_PAIRS_PLUS] = pairs_plus,
	[CODE4_HALVES] = halves,
	[CODE4_HALVES_PLUS] = halves_plus,
};

void dot_code4_avx512(float *y, const float *x, const struct dot_code4 *from,
		      size_t nk, size_t nn, int first)
{
	struct dot_code4 d = *from;
	const uint8_t *row[DOT_COLUMNS];
	float part[DOT_COLUMNS] = { 0 };

	for (size_t j = 0; j < nn; j += DOT_COLUMNS) {
		size_t n = nn - j < DOT_COLUMNS ? nn - j : DOT_COLUMNS;

		for (size_t r = 0; r < DOT_COLUMNS; r++)
			row[r] = d.from.code +
				 (r < n ? j + r : j) * d.from.stride;
		d.from.scale = from->from.scale + j;
		if (d.plus)
			d.plus = from->plus + j;
		memcpy(part, y + j, n * sizeof(*y));
		dot_as[d.form](part, x, &d, row, nk, first);
		memcpy(y + j, part, n * sizeof(*y));
	}
}
