#include "kernel/pack_avx2.h"

#include <string.h>

/* 8 columns, 32 k; dst is the first k's. */
INLINE void columns(float *dst, const struct planes *p,
		    const uint8_t *const row[8], size_t at, __m256 scale)
{
	__m256i t[4];
	__m256 first[4], second[4];

	bytes8(t, row, at);
	for (int b = 0; b < 4; b++) {
		look_up_32(first, p, high_codes(t[b]));
		look_up_32(second, p, low_codes(t[b]));
		for (int v = 0; v < 4; v++, dst += 2 * GEMM_NR) {
			_mm256_store_ps(dst, _mm256_mul_ps(first[v], scale));
			_mm256_store_ps(dst + GEMM_NR,
					_mm256_mul_ps(second[v], scale));
		}
	}
}

/* All k of a unit have one scale, so it is loaded once. */
INLINE void panel_nt(float *dst, const struct planes *p,
		     const struct pack_code4 *f, const uint8_t *const row[8],
		     size_t j, size_t nk)
{
	for (size_t k = 0; k < nk; k += 32) {
		const float *s = f->scale + j +
				 code4_unit(f, k) * f->scale_stride;

		columns(dst + k * GEMM_NR, p, row, k / 2, _mm256_loadu_ps(s));
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

	look_up_32(v, p, _mm256_or_si256(first, second));
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
