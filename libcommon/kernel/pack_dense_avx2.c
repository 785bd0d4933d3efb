#include "kernel/pack.h"

#include <immintrin.h>
#include <string.h>

#include "kernel/gemm.h"

#define INLINE static inline __attribute__((always_inline))

/* Stands in for columns past the edge; 4 bytes an element are enough for all
 * types. */
static const float blank[GEMM_KC];

/* Rows of a wide matrix lie far apart, and nothing but this foresees them. May
 * be asked for more than there is. n elements, step further on: */
#define soon(row, step, n) \
	soon_bytes(row, (step) * sizeof(*(row)), (n) * sizeof(*(row)))

INLINE void soon_bytes(const void *row, size_t step, size_t bytes)
{
	uintptr_t at = (uintptr_t)row + step;

	for (size_t b = 0; b < bytes; b += 64)
		_mm_prefetch((const char *)(at + b), _MM_HINT_T1);
}

INLINE __m256 join(__m128 low, __m128 high)
{
	return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}

INLINE __m256i two_rows(const uint16_t *low, const uint16_t *high)
{
	return _mm256_inserti128_si256(
		_mm256_castsi128_si256(_mm_loadu_si128((const void *)low)),
		_mm_loadu_si128((const void *)high), 1);
}

/* 8 columns, 4 k: column i shares a register with column i + 4, so that no
 * step crosses its lanes. */
INLINE void square_f32(float *dst, const float *const row[8], size_t k)
{
	__m256 r[4], a, b, c, d;

	for (int i = 0; i < 4; i++)
		r[i] = join(_mm_loadu_ps(row[i] + k),
			    _mm_loadu_ps(row[i + 4] + k));
	a = _mm256_unpacklo_ps(r[0], r[1]);
	b = _mm256_unpackhi_ps(r[0], r[1]);
	c = _mm256_unpacklo_ps(r[2], r[3]);
	d = _mm256_unpackhi_ps(r[2], r[3]);
	_mm256_store_ps(dst, _mm256_shuffle_ps(a, c, 0x44));
	_mm256_store_ps(dst + GEMM_NR, _mm256_shuffle_ps(a, c, 0xee));
	_mm256_store_ps(dst + 2 * GEMM_NR, _mm256_shuffle_ps(b, d, 0x44));
	_mm256_store_ps(dst + 3 * GEMM_NR, _mm256_shuffle_ps(b, d, 0xee));
}

/* 8 columns, 8 k; two[i]: k 2i and 2i + 1 of columns 0 .. 3, then 4 .. 7. */
INLINE void square_half(__m256i two[4], const uint16_t *const row[8], size_t k)
{
	__m256i r0 = two_rows(row[0] + k, row[4] + k);
	__m256i r1 = two_rows(row[1] + k, row[5] + k);
	__m256i r2 = two_rows(row[2] + k, row[6] + k);
	__m256i r3 = two_rows(row[3] + k, row[7] + k);
	__m256i l01 = _mm256_unpacklo_epi16(r0, r1);
	__m256i h01 = _mm256_unpackhi_epi16(r0, r1);
	__m256i l23 = _mm256_unpacklo_epi16(r2, r3);
	__m256i h23 = _mm256_unpackhi_epi16(r2, r3);

	two[0] = _mm256_unpacklo_epi32(l01, l23);
	two[1] = _mm256_unpackhi_epi32(l01, l23);
	two[2] = _mm256_unpacklo_epi32(h01, h23);
	two[3] = _mm256_unpackhi_epi32(h01, h23);
}

INLINE void square_bf16(float *dst, const uint16_t *const row[8], size_t k)
{
	const __m256i zero = _mm256_setzero_si256();
	__m256i two[4];

	square_half(two, row, k);
	for (int i = 0; i < 4; i++, dst += 2 * GEMM_NR) {
		__m256i even = _mm256_unpacklo_epi16(zero, two[i]);
		__m256i odd = _mm256_unpackhi_epi16(zero, two[i]);

		_mm256_store_si256((void *)dst, even);
		_mm256_store_si256((void *)(dst + GEMM_NR), odd);
	}
}

INLINE void square_f16(float *dst, const uint16_t *const row[8], size_t k)
{
	__m256i two[4];

	square_half(two, row, k);
	for (int i = 0; i < 4; i++, dst += 2 * GEMM_NR) {
		__m256i t = _mm256_permute4x64_epi64(two[i], 0xd8);

		_mm256_store_ps(dst, _mm256_cvtph_ps(
			_mm256_castsi256_si128(t)));
		_mm256_store_ps(dst + GEMM_NR, _mm256_cvtph_ps(
			_mm256_extracti128_si256(t, 1)));
	}
}

INLINE __m256 load_f32(const float *x)
{
	return _mm256_loadu_ps(x);
}

INLINE __m256 load_bf16(const uint16_t *x)
{
	__m256i h = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)x));

	return _mm256_castsi256_ps(_mm256_slli_epi32(h, 16));
}

INLINE __m256 load_f16(const uint16_t *x)
{
	return _mm256_cvtph_ps(_mm_loadu_si128((const void *)x));
}

/* 8 columns of a panel. step: the k that square() does at once. */
#define PACK_NT(name, type, square, step, load)                             \
	static void columns_##name(float *dst, const type *const row[8],    \
				   size_t nk)                               \
	{                                                                   \
		size_t k = 0;                                               \
		type x[8] = { 0 };                                          \
                                                                            \
		for (; k + step <= nk; k += step)                           \
			square(dst + k * GEMM_NR, row, k);                  \
		for (; k < nk; k++) {                                       \
			for (int i = 0; i < 8; i++)                         \
				x[i] = row[i][k];                           \
			_mm256_store_ps(dst + k * GEMM_NR, load(x));        \
		}                                                           \
	}                                                                   \
                                                                            \
	void name(float *dst, const type *src, size_t stride, size_t nk,    \
		  size_t nn)                                                \
	{                                                                   \
		const type *row[8];                                         \
                                                                            \
		for (size_t n0 = 0; n0 < nn; n0 += GEMM_NR) {               \
			for (size_t j = n0; j < n0 + GEMM_NR; j += 8) {     \
				for (size_t i = 0; i < 8; i++) {            \
					row[i] = j + i < nn ?               \
						 src + (j + i) * stride :   \
						 (const type *)blank;       \
					soon(row[i], 8 * stride, nk);       \
				}                                           \
				columns_##name(dst + (j - n0), row, nk);    \
			}                                                   \
			dst += GEMM_NR * nk;                                \
		}                                                           \
	}

PACK_NT(pack_f32_nt_avx2, float, square_f32, 4, load_f32)
PACK_NT(pack_bf16_nt_avx2, uint16_t, square_bf16, 8, load_bf16)
PACK_NT(pack_f16_nt_avx2, uint16_t, square_f16, 8, load_f16)

/* Row by row over all panels: so a row is read once, in order. */
#define PACK_NN(name, type, load)                                           \
	static void tail_##name(float *dst, const type *src, size_t n)      \
	{                                                                   \
		type x[GEMM_NR] = { 0 };                                    \
                                                                            \
		memcpy(x, src, n * sizeof(*x));                             \
		for (int i = 0; i < GEMM_NR; i += 8)                        \
			_mm256_store_ps(dst + i, load(x + i));              \
	}                                                                   \
                                                                            \
	void name(float *dst, const type *src, size_t stride, size_t nk,    \
		  size_t nn)                                                \
	{                                                                   \
		for (size_t k = 0; k < nk; k++, src += stride) {            \
			float *to = dst + k * GEMM_NR;                      \
			size_t j = 0;                                       \
                                                                            \
			soon(src, 4 * stride, nn);                          \
			for (; j + GEMM_NR <= nn; j += GEMM_NR) {           \
				for (int i = 0; i < GEMM_NR; i += 8)        \
					_mm256_store_ps(to + i,             \
							load(src + j + i)); \
				to += GEMM_NR * nk;                         \
			}                                                   \
			if (j < nn)                                         \
				tail_##name(to, src + j, nn - j);           \
		}                                                           \
	}

PACK_NN(pack_f32_nn_avx2, float, load_f32)
PACK_NN(pack_bf16_nn_avx2, uint16_t, load_bf16)
PACK_NN(pack_f16_nn_avx2, uint16_t, load_f16)

enum { VECTORS = GEMM_NR / 8 };

INLINE void add(__m256 sum[VECTORS], float x, const float *w)
{
	__m256 by = _mm256_set1_ps(x);

	for (int v = 0; v < VECTORS; v++)
		sum[v] = _mm256_fmadd_ps(by, _mm256_load_ps(w + 8 * v), sum[v]);
}

INLINE void put(float *y, const __m256 sum[VECTORS], int first)
{
	for (int v = 0; v < VECTORS; v++, y += 8)
		_mm256_storeu_ps(y, first ? sum[v] :
				 _mm256_add_ps(_mm256_loadu_ps(y), sum[v]));
}

/*
 * One row of x times a panel's columns, which are turned a line of memory at a
 * time: rows a power of two apart would not stay near for the rest of it. y has
 * room for all columns of a panel.
 */
#define DOT(name, type, square, step, load)                                 \
	enum { LINE_##name = 64 / sizeof(type) };                           \
                                                                            \
	static void turn_##name(float *to, const type *const row[GEMM_NR],  \
				size_t k, size_t stride)                    \
	{                                                                   \
		for (int v = 0; v < GEMM_NR; v += 8) {                      \
			for (int i = 0; i < LINE_##name; i += step)         \
				square(to + v + i * GEMM_NR, row + v,       \
				       k + i);                              \
			for (int r = v; r < v + 8; r++)                     \
				soon(row[r], GEMM_NR * stride + k, 1);      \
		}                                                           \
	}                                                                   \
                                                                            \
	static void one_##name(float *to, const type *const row[GEMM_NR],   \
			       size_t k)                                    \
	{                                                                   \
		type w[GEMM_NR];                                            \
                                                                            \
		for (int i = 0; i < GEMM_NR; i++)                           \
			w[i] = row[i][k];                                   \
		for (int i = 0; i < GEMM_NR; i += 8)                        \
			_mm256_store_ps(to + i, load(w + i));               \
	}                                                                   \
                                                                            \
	static void panel_##name(float *y, const float *x,                  \
				 const type *const row[GEMM_NR],            \
				 size_t stride, size_t nk, int first)       \
	{                                                                   \
		_Alignas(32) float w[LINE_##name * GEMM_NR];                \
		size_t k = 0;                                               \
                                                                            \
		while (k < nk) {                                            \
			size_t end = nk - k < GEMM_KC ? nk : k + GEMM_KC;   \
			__m256 sum[VECTORS] = { _mm256_setzero_ps() };      \
                                                                            \
			for (; k + LINE_##name <= end; k += LINE_##name) {  \
				turn_##name(w, row, k, stride);             \
				for (int i = 0; i < LINE_##name; i++)       \
					add(sum, x[k + i],                  \
					    w + i * GEMM_NR);               \
			}                                                   \
			for (; k < end; k++) {                              \
				one_##name(w, row, k);                      \
				add(sum, x[k], w);                          \
			}                                                   \
			put(y, sum, first);                                 \
			first = 0;                                          \
		}                                                           \
	}                                                                   \
                                                                            \
	void name(float *y, const float *x, const type *src, size_t stride, \
		  size_t nk, size_t nn, int first)                          \
	{                                                                   \
		const type *row[GEMM_NR];                                   \
		float part[GEMM_NR] = { 0 };                                \
                                                                            \
		for (size_t j = 0; j < nn; j += GEMM_NR) {                  \
			size_t n = nn - j < GEMM_NR ? nn - j : GEMM_NR;     \
                                                                            \
			for (size_t r = 0; r < GEMM_NR; r++)                \
				row[r] = src + (j + (r < n ? r : 0)) *      \
					       stride;                      \
			memcpy(part, y + j, n * sizeof(*y));                \
			panel_##name(part, x, row, stride, nk, first);      \
			memcpy(y + j, part, n * sizeof(*y));                \
		}                                                           \
	}

DOT(dot_f32_avx2, float, square_f32, 4, load_f32)
DOT(dot_f16_avx2, uint16_t, square_f16, 8, load_f16)
