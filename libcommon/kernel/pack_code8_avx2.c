#include "kernel/pack_avx2.h"

#include <string.h>

INLINE __m256 value(enum code8_form form, __m256i code, __m256 s, __m256 p)
{
	__m256 c = _mm256_cvtepi32_ps(code);

	return form == CODE8_LESS ? _mm256_mul_ps(_mm256_sub_ps(c, p), s) :
				    _mm256_add_ps(_mm256_mul_ps(c, s), p);
}

/* Dword k of each lane, a byte of it in each dword. */
struct picks {
	__m256i at[4];
};

INLINE struct picks picks(void)
{
	const __m256i first = _mm256_setr_epi32(
		(int)0xffffff00, (int)0xffffff01, (int)0xffffff02,
		(int)0xffffff03, (int)0xffffff00, (int)0xffffff01,
		(int)0xffffff02, (int)0xffffff03);
	struct picks p;

	for (int k = 0; k < 4; k++)
		p.at[k] = _mm256_add_epi32(first, _mm256_set1_epi32(4 * k));
	return p;
}

/* 8 columns of a panel; at: of their s and p in the first unit. */
INLINE void columns(float *dst, const struct pack_code8 *f,
		    enum code8_form form, const uint8_t *const *row, size_t at,
		    size_t nk)
{
	const struct picks pick = picks();
	__m256i t[4];

	for (size_t k = 0; k < nk; k += 16) {
		size_t u = k / f->unit * f->scale_stride + at;
		__m256 s = _mm256_loadu_ps(f->scale + u);
		__m256 p = _mm256_loadu_ps(f->plus + u);

		bytes8(t, row, k);
		for (int b = 0; b < 4; b++)
			for (int i = 0; i < 4; i++, dst += GEMM_NR)
				_mm256_store_ps(dst, value(
					form, _mm256_shuffle_epi8(
						t[b], pick.at[i]), s, p));
	}
}

void pack_code8_nt_avx2(float *dst, const struct pack_code8 *from, size_t nk,
			size_t nn)
{
	const struct pack_code8 f = *from;
	const uint8_t *row[8];

	for (size_t j = 0; j < nn; j += 8) {
		for (size_t r = 0; r < 8; r++)
			row[r] = f.code + (j + r < nn ? j + r : j) * f.stride;
		if (f.form == CODE8_LESS)
			columns(dst + j % GEMM_NR, &f, CODE8_LESS, row, j, nk);
		else
			columns(dst + j % GEMM_NR, &f, CODE8_PLUS, row, j, nk);
		if (j + 8 >= nn && nn % GEMM_NR)
			clear(dst, nn % GEMM_NR, nk);
		if (j % GEMM_NR == 16)
			dst += GEMM_NR * nk;
	}
}

/* 8 columns of a row, which are of one unit. */
INLINE __m256 eight(const struct pack_code8 *f, enum code8_form form,
		    const uint8_t *code, size_t at)
{
	__m256i c = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)code));

	return value(form, c, _mm256_broadcast_ss(f->scale + at),
		     _mm256_broadcast_ss(f->plus + at));
}

INLINE void pack_row(float *dst, size_t panel, const struct pack_code8 *f,
		     enum code8_form form, size_t k, size_t nn)
{
	unsigned shift = (unsigned)__builtin_ctzl(f->unit);
	const uint8_t *code = f->code + k * f->stride;
	size_t at = k * f->scale_stride, j = 0;

	for (; j + GEMM_NR <= nn; j += GEMM_NR, dst += panel)
		for (size_t i = j; i < j + GEMM_NR; i += 8)
			_mm256_store_ps(dst + (i - j), eight(
				f, form, code + i,
				at + ((f->phase + i) >> shift)));
	for (size_t i = j; j < nn && i < j + GEMM_NR; i += 8)
		_mm256_store_ps(dst + (i - j), i >= nn ? _mm256_setzero_ps() :
				eight(f, form, code + i,
				      at + ((f->phase + i) >> shift)));
}

void pack_code8_nn_avx2(float *dst, size_t panel,
			const struct pack_code8 *from, size_t nk, size_t nn)
{
	const struct pack_code8 f = *from;

	for (size_t k = 0; k < nk; k++, dst += GEMM_NR)
		if (f.form == CODE8_LESS)
			pack_row(dst, panel, &f, CODE8_LESS, k, nn);
		else
			pack_row(dst, panel, &f, CODE8_PLUS, k, nn);
}

void decode_code8_avx2(float *dst, const struct pack_code8 *from, size_t n)
{
	const struct pack_code8 f = *from;
	unsigned shift = (unsigned)__builtin_ctzl(f.unit);

	for (size_t i = 0; i < n; i += 8) {
		size_t at = i >> shift;

		_mm256_storeu_ps(dst + i, f.form == CODE8_LESS ?
				 eight(&f, CODE8_LESS, f.code + i, at) :
				 eight(&f, CODE8_PLUS, f.code + i, at));
	}
}

enum { VECTORS = GEMM_NR / 8, STEP = 16 };

/* One row of x times 16 k of a panel, which are turned. */
INLINE void dot_step(__m256 sum[VECTORS], const float *x,
		     __m256i t[VECTORS][4], const struct pack_code8 *f,
		     enum code8_form form, size_t at)
{
	const struct picks pick = picks();
	__m256 s[VECTORS], p[VECTORS];

	for (int v = 0; v < VECTORS; v++) {
		s[v] = _mm256_loadu_ps(f->scale + at + 8 * v);
		p[v] = _mm256_loadu_ps(f->plus + at + 8 * v);
	}
	for (int b = 0; b < 4; b++)
		for (int i = 0; i < 4; i++, x++)
			for (int v = 0; v < VECTORS; v++)
				sum[v] = _mm256_fmadd_ps(
					_mm256_broadcast_ss(x),
					value(form, _mm256_shuffle_epi8(
						t[v][b], pick.at[i]),
					      s[v], p[v]), sum[v]);
}

/* Columns of one panel; y has room for all of them. */
INLINE void dot_columns(float *y, const float *x, const struct pack_code8 *f,
			enum code8_form form, const uint8_t *const *row,
			size_t nk, int first)
{
	__m256i t[VECTORS][4];

	for (size_t k = 0; k < nk; first = 0) {
		size_t end = nk - k < GEMM_KC ? nk : k + GEMM_KC;
		__m256 sum[VECTORS] = { _mm256_setzero_ps() };

		for (; k < end; k += STEP) {
			for (int v = 0; v < VECTORS; v++)
				bytes8(t[v], row + 8 * v, k);
			dot_step(sum, x + k, t, f, form,
				 k / f->unit * f->scale_stride);
		}
		for (int v = 0; v < VECTORS; v++)
			_mm256_storeu_ps(y + 8 * v, first ? sum[v] :
				_mm256_add_ps(_mm256_loadu_ps(y + 8 * v),
					      sum[v]));
	}
}

void dot_code8_avx2(float *y, const float *x, const struct pack_code8 *from,
		    size_t nk, size_t nn, int first)
{
	struct pack_code8 f = *from;
	const uint8_t *row[GEMM_NR];
	float part[GEMM_NR] = { 0 };

	for (size_t j = 0; j < nn; j += GEMM_NR) {
		size_t n = nn - j < GEMM_NR ? nn - j : GEMM_NR;

		for (size_t r = 0; r < GEMM_NR; r++)
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
