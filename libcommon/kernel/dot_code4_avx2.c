#include "kernel/pack_avx2.h"

enum { VECTORS = GEMM_NR / 8 };

/* What makes values of a unit's codes, see struct dot_code4. */
struct made {
	enum code4_form form;
	__m256 scale, plus;
};

INLINE __m256 value(const struct made *m, __m256 v)
{
	if (m->form == CODE4_PAIRS_LESS)
		return _mm256_mul_ps(_mm256_sub_ps(v, m->plus), m->scale);
	v = _mm256_mul_ps(v, m->scale);
	return adds_plus(m->form) ? _mm256_add_ps(v, m->plus) : v;
}

INLINE __m256 add(__m256 sum, const float *x, const struct made *m, __m256 v)
{
	return _mm256_fmadd_ps(_mm256_broadcast_ss(x), value(m, v), sum);
}

/* One row of x times 4 k of 8 columns. */
INLINE __m256 dot_four(__m256 sum, const float *x, const struct planes *p,
		       const struct made *m, __m256i codes)
{
	__m256 w[4];

	look_up_32(w, p, codes);
#pragma GCC unroll 4
	for (int v = 0; v < 4; v++)
		sum = add(sum, x + v, m, w[v]);
	return sum;
}

/* 8 k: a byte of two for each column. */
INLINE __m256 dot_pairs(__m256 sum, const float *x, const struct planes *p,
			const struct made *m, __m256i bytes)
{
	__m256i first = high_codes(bytes), second = low_codes(bytes);

	sum = dot_four(sum, x, p, m, _mm256_unpacklo_epi32(first, second));
	return dot_four(sum, x + 4, p, m,
			_mm256_unpackhi_epi32(first, second));
}

/* One row of x times 32 k, from k on, of a panel's columns, eight after eight
 * for a few k: each chain of sums waits for its last one, the next does not. */
INLINE void dot_step(__m256 sum[VECTORS], const float *x,
		     const struct dot_code4 *d, struct made m[VECTORS],
		     const struct planes *p, const uint8_t *const *row,
		     size_t k)
{
	size_t at = code4_unit(&d->from, k) * d->from.scale_stride;
	__m256i t[VECTORS][4];

	x += k;
#pragma GCC unroll 3
	for (int i = 0; i < VECTORS; i++) {
		m[i].scale = _mm256_loadu_ps(d->from.scale + at + 8 * i);
		if (has_plus(m[i].form))
			m[i].plus = _mm256_loadu_ps(d->plus + at + 8 * i);
		bytes8(t[i], row + 8 * i, dot_code4_at(d, k));
	}
	if (m[0].form < CODE4_HALVES) {
#pragma GCC unroll 4
		for (int b = 0; b < 4; b++)
#pragma GCC unroll 3
			for (int i = 0; i < VECTORS; i++)
				sum[i] = dot_pairs(sum[i], x + 8 * b, p, &m[i],
						   t[i][b]);
		return;
	}
#pragma GCC unroll 8
	for (int b = 0; b < 8; b++)
#pragma GCC unroll 3
		for (int i = 0; i < VECTORS; i++)
			sum[i] = dot_four(sum[i], x + 4 * b, p, &m[i],
					  b < 4 ? low_codes(t[i][b]) :
						  high_codes(t[i][b - 4]));
}

/* Asks for what the next columns will read, in the order of memory, a share of
 * it for 32 k. */
INLINE void next_columns(const struct dot_code4 *d, const uint8_t *row,
			 size_t k)
{
	size_t bytes = GEMM_NR * (16 + d->gap);

	soon((uintptr_t)row + GEMM_NR * d->from.stride + k / 32 * bytes,
	     bytes - 64);
}

/* Columns of one panel; y has room for all of them. */
INLINE void dot_columns(float *y, const float *x, const struct dot_code4 *d,
			enum code4_form form, const struct planes *p,
			const uint8_t *const *row, size_t nk, int first)
{
	struct made m[VECTORS] = { { .form = form }, { .form = form },
				   { .form = form } };

	for (size_t k = 0; k < nk; first = 0) {
		size_t end = nk - k < GEMM_KC ? nk : k + GEMM_KC;
		__m256 sum[VECTORS];

		for (int i = 0; i < VECTORS; i++)
			sum[i] = _mm256_setzero_ps();
		for (; k < end; k += 32) {
			next_columns(d, row[0], k);
			dot_step(sum, x, d, m, p, row, k);
		}
		for (int i = 0; i < VECTORS; i++)
			_mm256_storeu_ps(y + 8 * i, first ? sum[i] :
				_mm256_add_ps(_mm256_loadu_ps(y + 8 * i),
					      sum[i]));
	}
}

static void dot_as(float *y, const float *x, const struct dot_code4 *d,
		   const struct planes *p, const uint8_t *const *row,
		   size_t nk, int first)
{
	switch (d->form) {
	case CODE4_PAIRS:
		dot_columns(y, x, d, CODE4_PAIRS, p, row, nk, first);
		break;
	case CODE4_PAIRS_LESS:
		dot_columns(y, x, d, CODE4_PAIRS_LESS, p, row, nk, first);
		break;
	case CODE4_PAIRS_PLUS:
		dot_columns(y, x, d, CODE4_PAIRS_PLUS, p, row, nk, first);
		break;
	case CODE4_HALVES:
		dot_columns(y, x, d, CODE4_HALVES, p, row, nk, first);
		break;
	case CODE4_HALVES_PLUS:
		dot_columns(y, x, d, CODE4_HALVES_PLUS, p, row, nk, first);
		break;
	}
}

void dot_code4_avx2(float *y, const float *x, const struct dot_code4 *from,
		    size_t nk, size_t nn, int first)
{
	struct dot_code4 d = *from;
	const struct planes p = planes_of(d.from.book);
	const uint8_t *row[GEMM_NR];
	float part[GEMM_NR] = { 0 };

	for (size_t j = 0; j < nn; j += GEMM_NR) {
		size_t n = nn - j < GEMM_NR ? nn - j : GEMM_NR;

		for (size_t r = 0; r < GEMM_NR; r++)
			row[r] = d.from.code +
				 (r < n ? j + r : j) * d.from.stride;
		d.from.scale = from->from.scale + j;
		if (d.plus)
			d.plus = from->plus + j;
		memcpy(part, y + j, n * sizeof(*y));
		dot_as(part, x, &d, &p, row, nk, first);
		memcpy(y + j, part, n * sizeof(*y));
	}
}
