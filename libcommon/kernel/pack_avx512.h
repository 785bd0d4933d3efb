/*
 * pack_avx512 - what the kernels that pack codes are built from, in registers
 * of sixteen
 *
 * All is static: only _avx512.c files include this.
 */
#ifndef KERNEL_PACK_AVX512_H
#define KERNEL_PACK_AVX512_H

#include "kernel/pack_avx2.h"

INLINE __m512i join(__m256i low, __m256i high)
{
	return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* Rows 0, 4, 8 and 12. */
INLINE __m512i four(const uint8_t *const *row, size_t at)
{
	return join(two(row[0] + at, row[4] + at),
		    two(row[8] + at, row[12] + at));
}

/* As dwords8(), of 16 rows. */
INLINE void dwords16(__m512i t[4], const uint8_t *const *row, size_t at)
{
	__m512i r0 = four(row, at), r1 = four(row + 1, at);
	__m512i r2 = four(row + 2, at), r3 = four(row + 3, at);
	__m512i l01 = _mm512_unpacklo_epi32(r0, r1);
	__m512i h01 = _mm512_unpackhi_epi32(r0, r1);
	__m512i l23 = _mm512_unpacklo_epi32(r2, r3);
	__m512i h23 = _mm512_unpackhi_epi32(r2, r3);

	t[0] = _mm512_unpacklo_epi64(l01, l23);
	t[1] = _mm512_unpackhi_epi64(l01, l23);
	t[2] = _mm512_unpacklo_epi64(h01, h23);
	t[3] = _mm512_unpackhi_epi64(h01, h23);
}

/* Turns 16 x 16 dwords. */
INLINE void square16(__m512i t[16])
{
	__m512i b[4][4];

#pragma GCC unroll 4
	for (int q = 0; q < 4; q++) {
		const __m512i *r = t + 4 * q;
		__m512i l01 = _mm512_unpacklo_epi32(r[0], r[1]);
		__m512i h01 = _mm512_unpackhi_epi32(r[0], r[1]);
		__m512i l23 = _mm512_unpacklo_epi32(r[2], r[3]);
		__m512i h23 = _mm512_unpackhi_epi32(r[2], r[3]);

		b[q][0] = _mm512_unpacklo_epi64(l01, l23);
		b[q][1] = _mm512_unpackhi_epi64(l01, l23);
		b[q][2] = _mm512_unpacklo_epi64(h01, h23);
		b[q][3] = _mm512_unpackhi_epi64(h01, h23);
	}
#pragma GCC unroll 4
	for (int i = 0; i < 4; i++) {
		__m512i e0 = _mm512_shuffle_i32x4(b[0][i], b[1][i], 0x88);
		__m512i o0 = _mm512_shuffle_i32x4(b[0][i], b[1][i], 0xdd);
		__m512i e1 = _mm512_shuffle_i32x4(b[2][i], b[3][i], 0x88);
		__m512i o1 = _mm512_shuffle_i32x4(b[2][i], b[3][i], 0xdd);

		t[i] = _mm512_shuffle_i32x4(e0, e1, 0x88);
		t[i + 4] = _mm512_shuffle_i32x4(o0, o1, 0x88);
		t[i + 8] = _mm512_shuffle_i32x4(e0, e1, 0xdd);
		t[i + 12] = _mm512_shuffle_i32x4(o0, o1, 0xdd);
	}
}

INLINE __m512 two_scales(const float *low, const float *high)
{
	return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)),
				  _mm256_loadu_ps(high), 1);
}

#endif
