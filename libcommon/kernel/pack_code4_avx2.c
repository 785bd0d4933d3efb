#include "kernel/pack_avx2.h"

#include <string.h>

/* Byte i of each of the book's 16 numbers, twice: for vpshufb. */
struct planes {
	__m256i at[4];
};

INLINE struct planes planes_of(const float *book)
{
	unsigned char bytes[4][16];
	struct planes p;

	for (int c = 0; c < 16; c++) {
		unsigned char f[4];

		memcpy(f, &book[c], 4);
		for (int i = 0; i < 4; i++)
			bytes[i][c] = f[i];
	}
	for (int i = 0; i < 4; i++)
		p.at[i] = _mm256_broadcastsi128_si256(
			_mm_loadu_si128((const __m128i *)bytes[i]));
	return p;
}

/* 32 codes to their numbers: vector v holds those of bytes 4v .. 4v + 3 of the
 * low lane, then of the high lane. */
INLINE void look_up(__m256 v[4], const struct planes *p, __m256i code)
{
	__m256i b0 = _mm256_shuffle_epi8(p->at[0], code);
	__m256i b1 = _mm256_shuffle_epi8(p->at[1], code);
	__m256i b2 = _mm256_shuffle_epi8(p->at[2], code);
	__m256i b3 = _mm256_shuffle_epi8(p->at[3], code);
	__m256i l01 = _mm256_unpacklo_epi8(b0, b1);
	__m256i h01 = _mm256_unpackhi_epi8(b0, b1);
	__m256i l23 = _mm256_unpacklo_epi8(b2, b3);
	__m256i h23 = _mm256_unpackhi_epi8(b2, b3);

	v[0] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(l01, l23));
	v[1] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(l01, l23));
	v[2] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(h01, h23));
	v[3] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(h01, h23));
}

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

/* 8 columns, 32 k; dst is the first k's. */
INLINE void columns(float *dst, const struct planes *p,
		    const uint8_t *const row[8], size_t at,
		    const struct made *m)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	const int pairs = m->form < CODE4_HALVES;
	__m256i t[4];
	__m256 high[4], low[4];

	bytes8(t, row, at);
	for (int b = 0; b < 4; b++) {
		__m256i up = _mm256_srli_epi16(t[b], 4);

		look_up(high, p, _mm256_and_si256(up, nibble));
		look_up(low, p, _mm256_and_si256(t[b], nibble));
		for (int v = 0; v < 4; v++) {
			int i = 4 * b + v, k = pairs ? 2 * i : 16 + i;
			int other = pairs ? k + 1 : i;

			_mm256_store_ps(dst + k * GEMM_NR, value(m, high[v]));
			_mm256_store_ps(dst + other * GEMM_NR,
					value(m, low[v]));
		}
	}
}

/* All k of a unit have one scale, so it is loaded once. */
INLINE void panel_nt(float *dst, const struct planes *p,
		     const struct pack_code4 *f, const uint8_t *const row[8],
		     size_t j, size_t nk)
{
	for (size_t k = 0; k < nk; k += 32) {
		const float *s = f->scale + k / f->unit * f->scale_stride + j;
		const struct made m = { .scale = _mm256_loadu_ps(s) };

		columns(dst + k * GEMM_NR, p, row, k / 2, &m);
	}
}

void pack_code4_nt_avx2(float *dst, const struct pack_code4 *from, size_t nk,
			size_t nn)
{
	const struct pack_code4 f = *from;
	const struct planes p = planes_of(f.book);
	const uint8_t *row[8];

	for (size_t j = 0; j < nn; j += 8) {
		for (size_t r = 0; r < 8; r++) {
			row[r] = f.code + (j + r < nn ? j + r : j) * f.stride;
			soon((uintptr_t)row[r] + 8 * f.stride, nk / 2);
		}
		panel_nt(dst + j % GEMM_NR, &p, &f, row, j, nk);
		if (j + 8 >= nn && nn % GEMM_NR)
			clear(dst, nn % GEMM_NR, nk);
		if (j % GEMM_NR == 16)
			dst += GEMM_NR * nk;
	}
}

/* One row of x times 32 k of a panel. */
INLINE void dot_panel(__m256 sum[3], const float *x, const float *w)
{
	for (int k = 0; k < 32; k++, w += GEMM_NR) {
		__m256 xk = _mm256_broadcast_ss(x + k);

		for (int i = 0; i < 3; i++)
			sum[i] = _mm256_fmadd_ps(
				xk, _mm256_load_ps(w + 8 * i), sum[i]);
	}
}

/* Columns of one panel: decoded 32 k at a time, which stay in the first cache.
 * y has room for all of them. */
INLINE void dot_columns(float *y, const float *x, const struct dot_code4 *d,
			enum code4_form form, const struct planes *p,
			const uint8_t *const *row, size_t nk, int first)
{
	const struct pack_code4 *f = &d->from;
	struct made m = { .form = form };
	_Alignas(64) float w[32 * GEMM_NR];

	for (size_t k0 = 0; k0 < nk; k0 += GEMM_KC, first = 0) {
		size_t end = nk - k0 < GEMM_KC ? nk : k0 + GEMM_KC;
		__m256 sum[3] = { _mm256_setzero_ps(), _mm256_setzero_ps(),
				  _mm256_setzero_ps() };

		for (size_t k = k0; k < end; k += 32) {
			size_t s = k / f->unit * f->scale_stride;
			size_t at = dot_code4_at(d, k);

			for (size_t i = 0; i < 3; i++, s += 8) {
				for (int r = 0; k % 128 == 0 && r < 8; r++)
					soon((uintptr_t)row[8 * i + r] + at +
					     GEMM_NR * f->stride, 0);
				m.scale = _mm256_loadu_ps(f->scale + s);
				if (has_plus(form))
					m.plus = _mm256_loadu_ps(d->plus + s);
				columns(w + 8 * i, p, row + 8 * i, at, &m);
			}
			dot_panel(sum, x + k, w);
		}
		for (int i = 0; i < 3; i++)
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

/* 32 columns of a row: to four vectors of 8, in order. */
INLINE void decode_row(__m256 v[4], const struct planes *p,
		       const uint8_t *code)
{
	const __m256i twice = _mm256_setr_epi8(
		0, 0, 1, 1, 4, 4, 5, 5, 8, 8, 9, 9, 12, 12, 13, 13,
		2, 2, 3, 3, 6, 6, 7, 7, 10, 10, 11, 11, 14, 14, 15, 15);
	__m256i w = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(
		_mm_loadu_si128((const void *)code)), twice);
	__m256i first = _mm256_and_si256(_mm256_srli_epi16(w, 4),
					 _mm256_set1_epi16(0x000f));
	__m256i second = _mm256_and_si256(w, _mm256_set1_epi16(0x0f00));

	look_up(v, p, _mm256_or_si256(first, second));
}

/* The rows of a block: its columns, and where each 8 of them go. */
struct rows {
	struct pack_code4 from;
	unsigned shift;         /* unit = 1 << shift */
	size_t nn, place[GEMM_KC / 8];
};

INLINE __m256 scale_of(const struct rows *r, const float *scale, size_t j)
{
	return _mm256_broadcast_ss(scale + ((r->from.phase + j) >> r->shift));
}

/* Up to 32 columns at the end of a row, whose codes end with it. */
static void end_of_row(float *dst, const struct rows *r,
		       const struct planes *p, const uint8_t *code,
		       const float *scale, size_t j)
{
	uint8_t last[16] = { 0 };
	float x[8];
	__m256 v[4];

	memcpy(last, code + j / 2, (r->nn - j) / 2);
	decode_row(v, p, last);
	for (int i = 0; j < r->nn; i++, j += 8) {
		size_t n = r->nn - j < 8 ? r->nn - j : 8;

		_mm256_storeu_ps(x, _mm256_mul_ps(v[i],
						  scale_of(r, scale, j)));
		memcpy(dst + r->place[j / 8], x, n * sizeof(*x));
	}
}

INLINE void pack_row(float *dst, const struct rows *r, const struct planes *p,
		     const uint8_t *code, const float *scale)
{
	size_t j = 0;
	__m256 v[4];

	for (; j + 32 <= r->nn; j += 32) {
		decode_row(v, p, code + j / 2);
		for (size_t i = 0; i < 4; i++)
			_mm256_store_ps(dst + r->place[j / 8 + i],
				_mm256_mul_ps(v[i], scale_of(r, scale,
							     j + 8 * i)));
	}
	if (j < r->nn)
		end_of_row(dst, r, p, code, scale, j);
}

/* nn is at most GEMM_KC. */
static void pack_rows(float *dst, const struct pack_code4 *f, size_t nk,
		      size_t nn)
{
	struct rows r = { *f, (unsigned)__builtin_ctzl(f->unit), nn, { 0 } };
	const struct planes p = planes_of(f->book);

	for (size_t j = 0; j < nn; j += 8)
		r.place[j / 8] = j / GEMM_NR * GEMM_NR * nk + j % GEMM_NR;
	for (size_t k = 0; k < nk; k++) {
		soon((uintptr_t)f->code + (k + AHEAD) * f->stride, nn / 2);
		pack_row(dst + k * GEMM_NR, &r, &p, f->code + k * f->stride,
			 f->scale + k * f->scale_stride);
	}
	if (nn % GEMM_NR)
		clear(dst + nn / GEMM_NR * GEMM_NR * nk, nn % GEMM_NR, nk);
}

void pack_code4_nn_avx2(float *dst, const struct pack_code4 *from, size_t nk,
			size_t nn)
{
	struct pack_code4 f = *from;

	for (; nn > GEMM_KC; nn -= GEMM_KC, dst += GEMM_KC * nk) {
		pack_rows(dst, &f, nk, GEMM_KC);
		f.code += GEMM_KC / 2;
		f.phase += GEMM_KC;
	}
	pack_rows(dst, &f, nk, nn);
}

void decode_code4_avx2(float *dst, const uint8_t *code, const float *book,
		       const float *scale, size_t nunit, size_t unit)
{
	const struct planes p = planes_of(book);
	__m256 v[4];

	for (size_t u = 0; u < nunit; u++) {
		__m256 s = _mm256_broadcast_ss(scale + u);

		for (size_t i = 0; i < unit; i += 32, code += 16, dst += 32) {
			decode_row(v, &p, code);
			for (int j = 0; j < 4; j++)
				_mm256_storeu_ps(dst + 8 * j,
						 _mm256_mul_ps(v[j], s));
		}
	}
}
