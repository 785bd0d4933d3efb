#include "kernel/pack_avx512.h"

#include <string.h>

INLINE __m512 value(enum code8_form form, __m512i code, __m512 s, __m512 p)
{
	__m512 c = _mm512_cvtepi32_ps(code);

	return form == CODE8_LESS ? _mm512_mul_ps(_mm512_sub_ps(c, p), s) :
				    _mm512_add_ps(_mm512_mul_ps(c, s), p);
}

/* Byte low of the first 8 dwords, byte high of the others. */
INLINE __m512i pick(int low, int high)
{
	const int none = (int)0xffffff00;
	const __m512i dword = _mm512_setr_epi32(
		none, none + 4, none + 8, none + 12, none, none + 4, none + 8,
		none + 12, none, none + 4, none + 8, none + 12, none, none + 4,
		none + 8, none + 12);
	__m512i byte = _mm512_mask_mov_epi32(_mm512_set1_epi32(low), 0xff00,
					     _mm512_set1_epi32(high));

	return _mm512_add_epi32(dword, byte);
}

/* s and p of two k of a panel, as three registers hold them. */
struct units {
	__m512 s[3], p[3];
};

INLINE void three(__m512 v[3], const float *at)
{
	v[0] = _mm512_loadu_ps(at);
	v[1] = two_scales(at + 16, at);
	v[2] = _mm512_loadu_ps(at + 8);
}

/*
 * 4 k of a panel, a dword of each of its rows. Two k are three registers: 16
 * columns of the first, the last 8 with the first 8 of the second, and its
 * other 16.
 */
INLINE void four_k(float *dst, enum code8_form form, __m256i t[3][4], int b,
		   const struct units *u)
{
	__m512i w0 = join(t[0][b], t[1][b]);
	__m512i w1 = join(t[2][b], t[0][b]);
	__m512i w2 = join(t[1][b], t[2][b]);

#pragma GCC unroll 2
	for (int i = 0; i < 4; i += 2, dst += 2 * GEMM_NR) {
		__m512i c0 = _mm512_shuffle_epi8(w0, pick(i, i));
		__m512i c1 = _mm512_shuffle_epi8(w1, pick(i, i + 1));
		__m512i c2 = _mm512_shuffle_epi8(w2, pick(i + 1, i + 1));

		_mm512_storeu_ps(dst, value(form, c0, u->s[0], u->p[0]));
		_mm512_storeu_ps(dst + 16, value(form, c1, u->s[1], u->p[1]));
		_mm512_storeu_ps(dst + 32, value(form, c2, u->s[2], u->p[2]));
	}
}

INLINE void panel(float *dst, const struct pack_code8 *f,
		  enum code8_form form, const uint8_t *const *row, size_t at,
		  size_t nk)
{
	__m256i t[3][4];
	struct units u;

	for (size_t k = 0; k < nk; k += 16) {
		size_t unit = k / f->unit * f->scale_stride + at;

		three(u.s, f->scale + unit);
		three(u.p, f->plus + unit);
		for (int i = 0; i < 3; i++)
			dwords8(t[i], row + 8 * i, k);
#pragma GCC unroll 4
		for (int b = 0; b < 4; b++, dst += 4 * GEMM_NR)
			four_k(dst, form, t, b, &u);
	}
}

void pack_code8_nt_avx512(float *dst, const struct pack_code8 *from, size_t nk,
			  size_t nn)
{
	const struct pack_code8 f = *from;
	const uint8_t *row[GEMM_NR];

	for (size_t j = 0; j < nn; j += GEMM_NR, dst += GEMM_NR * nk) {
		for (size_t r = 0; r < GEMM_NR; r++)
			row[r] = f.code + (j + r < nn ? j + r : j) * f.stride;
		if (f.form == CODE8_LESS)
			panel(dst, &f, CODE8_LESS, row, j, nk);
		else
			panel(dst, &f, CODE8_PLUS, row, j, nk);
		if (j + GEMM_NR > nn)
			clear(dst, nn - j, nk);
	}
}

enum { VECTORS = DOT_COLUMNS / 16 };

/* One row of x times 16 k of 48 columns. */
INLINE void dot_step(__m512 sum[VECTORS], const float *x,
		     __m512i t[VECTORS][4], const struct pack_code8 *f,
		     enum code8_form form, size_t at)
{
	__m512 s[VECTORS], p[VECTORS];

	for (int g = 0; g < VECTORS; g++) {
		s[g] = _mm512_loadu_ps(f->scale + at + 16 * g);
		p[g] = _mm512_loadu_ps(f->plus + at + 16 * g);
	}
#pragma GCC unroll 4
	for (int b = 0; b < 4; b++)
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++)
			for (int g = 0; g < VECTORS; g++) {
				__m512i c = i < 3 ?
					_mm512_shuffle_epi8(t[g][b],
							    pick(i, i)) :
					_mm512_srli_epi32(t[g][b], 24);

				sum[g] = _mm512_fmadd_ps(
					_mm512_set1_ps(x[4 * b + i]),
					value(form, c, s[g], p[g]), sum[g]);
			}
}

/* y has room for all of the columns. */
INLINE void dot_columns(float *y, const float *x, const struct pack_code8 *f,
			enum code8_form form, const uint8_t *const *row,
			size_t nk, int first)
{
	__m512i t[VECTORS][4];

	for (size_t k = 0; k < nk; first = 0) {
		size_t end = nk - k < GEMM_KC ? nk : k + GEMM_KC;
		__m512 sum[VECTORS];

		for (int g = 0; g < VECTORS; g++)
			sum[g] = _mm512_setzero_ps();
		for (; k < end; k += 16) {
			for (int g = 0; g < VECTORS; g++)
				dwords16(t[g], row + 16 * g, k);
			dot_step(sum, x + k, t, f, form,
				 k / f->unit * f->scale_stride);
		}
		for (int g = 0; g < VECTORS; g++)
			_mm512_storeu_ps(y + 16 * g, first ? sum[g] :
				_mm512_add_ps(_mm512_loadu_ps(y + 16 * g),
					      sum[g]));
	}
}

void dot_code8_avx512(float *y, const float *x, const struct pack_code8 *from,
		      size_t nk, size_t nn, int first)
{
	struct pack_code8 f = *from;
	const uint8_t *row[DOT_COLUMNS];
	float part[DOT_COLUMNS] = { 0 };

	for (size_t j = 0; j < nn; j += DOT_COLUMNS) {
		size_t n = nn - j < DOT_COLUMNS ? nn - j : DOT_COLUMNS;

		for (size_t r = 0; r < DOT_COLUMNS; r++)
			row[r] = f.code + (r < n ? j + r : j) * f.stride;
		f.scale = from->scale + j;
		f.plus = from->plus + j;
		memcpy(part, y + j, n * sizeof(*y));
		if (f.form == CODE8_LESS)
			dot_columns(part, x, &f, CODE8_LESS, row, nk, first);
		else
			dot_columns(part, x, &f, CODE8_PLUS, row, nk, first);
		memcpy(y + j, part, n * sizeof(*y));
	}
}
