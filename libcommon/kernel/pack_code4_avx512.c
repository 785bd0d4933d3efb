#include "kernel/pack_avx512.h"

#include <string.h>

/*
 * The book is one register, and a permutation looks up in it. It minds but the
 * low 4 bits of an index: so a code needs to be shifted there, not masked.
 * Code i of the 8 of a dword begins at bit 4 (i xor 1).
 */
INLINE __m512 look_up(__m512 book, __m512i index, __m512 scale)
{
	return _mm512_mul_ps(_mm512_permutexvar_ps(index, book), scale);
}

INLINE __m128i load16(const uint8_t *at)
{
	return _mm_loadu_si128((const void *)at);
}

/*
 * Two k of a panel are three registers, and most often three cache lines: 16
 * columns of the first k, the last 8 with the first 8 of the second k, and
 * its other 16.
 */
INLINE void columns(float *dst, __m512 book, const uint8_t *const row[GEMM_NR],
		    size_t at, const __m512 scale[3])
{
	const __m512i first = _mm512_setr_epi32(4, 4, 4, 4, 4, 4, 4, 4,
						0, 0, 0, 0, 0, 0, 0, 0);
	__m256i t[3][4];

	for (int i = 0; i < 3; i++)
		dwords8(t[i], row + 8 * i, at);
#pragma GCC unroll 4
	for (int b = 0; b < 4; b++) {
		__m512i w0 = join(t[0][b], t[1][b]);
		__m512i w1 = join(t[2][b], t[0][b]);
		__m512i w2 = join(t[1][b], t[2][b]);

		w0 = _mm512_srli_epi32(w0, 4);
		w1 = _mm512_srlv_epi32(w1, first);
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++, dst += 2 * GEMM_NR) {
			_mm512_storeu_ps(dst, look_up(book, w0, scale[0]));
			_mm512_storeu_ps(dst + 16, look_up(book, w1, scale[1]));
			_mm512_storeu_ps(dst + 32, look_up(book, w2, scale[2]));
			w0 = _mm512_srli_epi32(w0, 8);
			w1 = _mm512_srli_epi32(w1, 8);
			w2 = _mm512_srli_epi32(w2, 8);
		}
	}
}

/* All k of a unit have one scale, so it is loaded once. */
INLINE void panel_nt(float *dst, __m512 book, const struct pack_code4 *f,
		     const uint8_t *const row[GEMM_NR], size_t j, size_t nk)
{
	for (size_t k = 0; k < nk; k += 32) {
		const float *at = f->scale + j +
				  code4_unit(f, k) * f->scale_stride;
		const __m512 scale[3] = { _mm512_loadu_ps(at),
					  two_scales(at + 16, at),
					  _mm512_loadu_ps(at + 8) };

		columns(dst + k * GEMM_NR, book, row, k / 2, scale);
	}
}

void pack_code4_nt_avx512(float *dst, const struct pack_code4 *from, size_t nk,
			  size_t nn)
{
	const struct pack_code4 f = *from;
	const __m512 book = _mm512_loadu_ps(f.book);
	const uint8_t *row[GEMM_NR];

	for (size_t j = 0; j < nn; j += GEMM_NR, dst += GEMM_NR * nk) {
		for (size_t r = 0; r < GEMM_NR; r++) {
			row[r] = f.code + (j + r < nn ? j + r : j) * f.stride;
			soon((uintptr_t)row[r] + GEMM_NR * f.stride, nk / 2);
		}
		panel_nt(dst, book, &f, row, j, nk);
		if (j + GEMM_NR > nn)
			clear(dst, nn - j, nk);
	}
}

/* 16 codes in order, their low bits: those of two dwords of all. */
INLINE __m512i spread(__m512i all, int low, int high)
{
	const __m512i shift = _mm512_setr_epi32(4, 0, 12, 8, 20, 16, 28, 24,
						4, 0, 12, 8, 20, 16, 28, 24);
	__m512i dword = _mm512_mask_mov_epi32(_mm512_set1_epi32(low), 0xff00,
					      _mm512_set1_epi32(high));

	return _mm512_srlv_epi32(_mm512_permutexvar_epi32(dword, all), shift);
}

/* 8 columns' scale and the next 8's. */
INLINE __m512 scale_of(const float *low, const float *high)
{
	return _mm512_mask_broadcastss_ps(_mm512_set1_ps(*low), 0xff00,
					  _mm_load_ss(high));
}

/* One k of a panel: its codes, 12 bytes, and the row's first scale. */
struct row {
	__m128i code;
	const float *scale;
};

/* Two k of a panel, as in columns(). at: the scales of each 8 columns. */
INLINE void two_rows(float *dst, __m512 book, struct row a, struct row b,
		     const size_t at[3])
{
	__m512i all = _mm512_castsi256_si512(_mm256_inserti128_si256(
		_mm256_castsi128_si256(a.code), b.code, 1));
	__m512 s0 = scale_of(a.scale + at[0], a.scale + at[1]);
	__m512 s1 = scale_of(a.scale + at[2], b.scale + at[0]);
	__m512 s2 = scale_of(b.scale + at[1], b.scale + at[2]);

	_mm512_storeu_ps(dst, look_up(book, spread(all, 0, 1), s0));
	_mm512_storeu_ps(dst + 16, look_up(book, spread(all, 2, 4), s1));
	_mm512_storeu_ps(dst + 32, look_up(book, spread(all, 5, 6), s2));
}

/* Two k of the last panel, of n columns, or of one k. */
static void last_rows(float *dst, size_t k, size_t n, __m512 book,
		      struct row a, struct row b, const size_t at[3])
{
	_Alignas(64) float part[2][GEMM_NR];

	two_rows(part[0], book, a, b, at);
	for (size_t i = 0; i < k; i++) {
		memset(part[i] + n, 0, (GEMM_NR - n) * sizeof(float));
		memcpy(dst + i * GEMM_NR, part[i], sizeof(part[i]));
	}
}

/* Of a block of at most GEMM_KC columns: the scales of each 8 of a row, and of
 * those too that fill up the last panel. */
struct scales {
	size_t at[GEMM_KC / 8];
};

static struct scales scales_of(const struct pack_code4 *f, size_t nn)
{
	unsigned shift = (unsigned)__builtin_ctzl(f->unit);
	struct scales s = { { 0 } };

	for (size_t j = 0; j < GEMM_KC; j += 8)
		s.at[j / 8] = (f->phase + (j < nn ? j : nn - 1)) >> shift;
	return s;
}

INLINE struct row row_of(const struct pack_code4 *f, size_t k, size_t j,
			 __mmask16 bytes)
{
	return (struct row){
		_mm_maskz_loadu_epi8(bytes, f->code + k * f->stride + j / 2),
		f->scale + k * f->scale_stride
	};
}

static void pack_rows(float *dst, const struct pack_code4 *f, size_t nk,
		      size_t nn)
{
	const __m512 book = _mm512_loadu_ps(f->book);
	const struct scales s = scales_of(f, nn);

	for (size_t k = 0; k < nk; k += 2, dst += 2 * GEMM_NR) {
		size_t next = k + 1 < nk ? k + 1 : k, j = 0;
		float *to = dst;

		soon((uintptr_t)f->code + (k + AHEAD) * f->stride, nn / 2);
		soon((uintptr_t)f->code + (next + AHEAD) * f->stride, nn / 2);
		for (; k < next && j + GEMM_NR <= nn; j += GEMM_NR) {
			two_rows(to, book, row_of(f, k, j, 0xfff),
				 row_of(f, next, j, 0xfff), s.at + j / 8);
			to += GEMM_NR * nk;
		}
		for (; j < nn; j += GEMM_NR, to += GEMM_NR * nk) {
			size_t n = nn - j < GEMM_NR ? nn - j : GEMM_NR;
			__mmask16 bytes = (__mmask16)((1u << n / 2) - 1);

			last_rows(to, next - k + 1, n, book,
				  row_of(f, k, j, bytes),
				  row_of(f, next, j, bytes), s.at + j / 8);
		}
	}
}

void pack_code4_nn_avx512(float *dst, const struct pack_code4 *from, size_t nk,
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

void decode_code4_avx512(float *dst, const uint8_t *code, const float *values,
			 const float *scale, size_t nunit, size_t unit)
{
	const __m512 book = _mm512_loadu_ps(values);

	for (size_t u = 0; u < nunit; u++) {
		const __m512 by = _mm512_set1_ps(scale[u]);

		for (size_t i = 0; i < unit; i += 32, code += 16, dst += 32) {
			__m512i all = _mm512_castsi128_si512(load16(code));

			_mm512_storeu_ps(dst, look_up(book, spread(all, 0, 1),
						      by));
			_mm512_storeu_ps(dst + 16,
					 look_up(book, spread(all, 2, 3), by));
		}
	}
}

/* A book of 256 in registers: two of them are looked up in at once, and the
 * bits above tell which of eight such pairs it is. */
INLINE __m512 look_up_256(const __m512 book[16], __m512i i)
{
	__mmask16 b5 = _mm512_test_epi32_mask(i, _mm512_set1_epi32(32));
	__mmask16 b6 = _mm512_test_epi32_mask(i, _mm512_set1_epi32(64));
	__mmask16 b7 = _mm512_test_epi32_mask(i, _mm512_set1_epi32(128));
	__m512 v[8];

#pragma GCC unroll 8
	for (int p = 0; p < 8; p++)
		v[p] = _mm512_permutex2var_ps(book[2 * p], i, book[2 * p + 1]);
#pragma GCC unroll 4
	for (int p = 0; p < 4; p++)
		v[p] = _mm512_mask_mov_ps(v[2 * p], b5, v[2 * p + 1]);
	v[0] = _mm512_mask_mov_ps(v[0], b6, v[1]);
	v[1] = _mm512_mask_mov_ps(v[2], b6, v[3]);
	return _mm512_mask_mov_ps(v[0], b7, v[1]);
}

void decode_dyn8_avx512(float *dst, const uint8_t *code, const float *values,
			float by, float offset, size_t n)
{
	const __m512 s = _mm512_set1_ps(by), o = _mm512_set1_ps(offset);
	__m512 book[16];

	for (int p = 0; p < 16; p++)
		book[p] = _mm512_loadu_ps(values + 16 * p);
	for (size_t i = 0; i < n; i += 16) {
		__mmask16 in = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 :
							0xffff);
		__m512i c = _mm512_cvtepu8_epi32(
			_mm_maskz_loadu_epi8(in, code + i));

		_mm512_mask_storeu_ps(dst + i, in, _mm512_add_ps(
			_mm512_mul_ps(look_up_256(book, c), s), o));
	}
}
