/*
 * pack_avx2 - what the kernels that pack codes are built from
 *
 * All is static: only _avx2.c and _avx512.c files include this.
 */
#ifndef KERNEL_PACK_AVX2_H
#define KERNEL_PACK_AVX2_H

#include "kernel/gemm.h"
#include "kernel/pack.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* 16 bytes each. */
INLINE __m256i two(const uint8_t *low, const uint8_t *high)
{
	return _mm256_inserti128_si256(
		_mm256_castsi128_si256(_mm_loadu_si128((const void *)low)),
		_mm_loadu_si128((const void *)high), 1);
}

/*
 * t[b]: bytes 4b .. 4b + 3 of 8 rows, byte by byte. Rows i and i + 4 share a
 * register, so that no step has to cross its lanes.
 */
INLINE void bytes8(__m256i t[4], const uint8_t *const *row, size_t at)
{
	__m256i r0 = two(row[0] + at, row[4] + at);
	__m256i r1 = two(row[1] + at, row[5] + at);
	__m256i r2 = two(row[2] + at, row[6] + at);
	__m256i r3 = two(row[3] + at, row[7] + at);
	__m256i l01 = _mm256_unpacklo_epi8(r0, r1);
	__m256i h01 = _mm256_unpackhi_epi8(r0, r1);
	__m256i l23 = _mm256_unpacklo_epi8(r2, r3);
	__m256i h23 = _mm256_unpackhi_epi8(r2, r3);

	t[0] = _mm256_unpacklo_epi16(l01, l23);
	t[1] = _mm256_unpackhi_epi16(l01, l23);
	t[2] = _mm256_unpacklo_epi16(h01, h23);
	t[3] = _mm256_unpackhi_epi16(h01, h23);
}

/* t[b]: dword b of each of 8 rows. Rows i and i + 4 share a register, so that
 * no step has to cross its lanes. */
INLINE void dwords8(__m256i t[4], const uint8_t *const *row, size_t at)
{
	__m256i r0 = two(row[0] + at, row[4] + at);
	__m256i r1 = two(row[1] + at, row[5] + at);
	__m256i r2 = two(row[2] + at, row[6] + at);
	__m256i r3 = two(row[3] + at, row[7] + at);
	__m256i l01 = _mm256_unpacklo_epi32(r0, r1);
	__m256i h01 = _mm256_unpackhi_epi32(r0, r1);
	__m256i l23 = _mm256_unpacklo_epi32(r2, r3);
	__m256i h23 = _mm256_unpackhi_epi32(r2, r3);

	t[0] = _mm256_unpacklo_epi64(l01, l23);
	t[1] = _mm256_unpackhi_epi64(l01, l23);
	t[2] = _mm256_unpacklo_epi64(h01, h23);
	t[3] = _mm256_unpackhi_epi64(h01, h23);
}

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
INLINE void look_up_32(__m256 v[4], const struct planes *p, __m256i code)
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

/* The codes in the halves of bytes. */
INLINE __m256i high_codes(__m256i bytes)
{
	return _mm256_and_si256(_mm256_srli_epi16(bytes, 4),
				_mm256_set1_epi8(15));
}

INLINE __m256i low_codes(__m256i bytes)
{
	return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

/* Zeros in the columns of the last panel that are not there. */
static inline void clear(float *panel, size_t columns, size_t nk)
{
	for (size_t k = 0; k < nk; k++, panel += GEMM_NR)
		for (size_t j = columns; j < GEMM_NR; j++)
			panel[j] = 0;
}

/* Rows of a wide matrix lie far apart, and nothing but this foresees them. May
 * be asked for more than there is. */
enum { AHEAD = 12 };

INLINE void soon(uintptr_t at, size_t bytes)
{
	for (size_t b = 0; b < bytes; b += 64)
		_mm_prefetch((const char *)(at + b), _MM_HINT_T0);
	_mm_prefetch((const char *)(at + bytes), _MM_HINT_T0);
}

#endif
