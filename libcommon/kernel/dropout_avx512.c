#include "kernel/dropout.h"

#include "kernel/lanes_avx512.h"

/*
 * rng_words() for sixteen counters at once: Philox4x32-10 (Salmon et al. 2011,
 * section 3.3), a register for each of the four words.
 */
struct words {
	__m512i w[4];
};

/* High and low halves of the products with m. */
static inline void multiply(__m512i a, __m512i m, __m512i *high, __m512i *low)
{
	__m512i even = _mm512_mul_epu32(a, m);
	__m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), m);

	*high = _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa,
				      odd);
	*low = _mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32));
}

static inline struct words philox(struct words c, const uint32_t key[2])
{
	const __m512i m0 = _mm512_set1_epi32((int)0xd2511f53);
	const __m512i m1 = _mm512_set1_epi32((int)0xcd9e8d57);
	uint32_t k0 = key[0], k1 = key[1];

	for (int round = 0; round < 10; round++) {
		__m512i high0, low0, high1, low1;

		multiply(c.w[0], m0, &high0, &low0);
		multiply(c.w[2], m1, &high1, &low1);
		c.w[0] = _mm512_xor_si512(_mm512_xor_si512(high1, c.w[1]),
					  _mm512_set1_epi32((int)k0));
		c.w[2] = _mm512_xor_si512(_mm512_xor_si512(high0, c.w[3]),
					  _mm512_set1_epi32((int)k1));
		c.w[1] = low1;
		c.w[3] = low0;
		k0 += 0x9e3779b9;
		k1 += 0xbb67ae85;
	}
	return c;
}

/* From word by word to counter by counter. */
static inline struct words in_order(struct words c)
{
	__m512i a = _mm512_unpacklo_epi32(c.w[0], c.w[1]);
	__m512i b = _mm512_unpackhi_epi32(c.w[0], c.w[1]);
	__m512i d = _mm512_unpacklo_epi32(c.w[2], c.w[3]);
	__m512i e = _mm512_unpackhi_epi32(c.w[2], c.w[3]);
	__m512i r0 = _mm512_unpacklo_epi64(a, d); /* 0 4 8 12 */
	__m512i r1 = _mm512_unpackhi_epi64(a, d); /* 1 5 9 13 */
	__m512i r2 = _mm512_unpacklo_epi64(b, e);
	__m512i r3 = _mm512_unpackhi_epi64(b, e);

	a = _mm512_shuffle_i32x4(r0, r1, 0x44); /* 0 4 1 5 */
	b = _mm512_shuffle_i32x4(r2, r3, 0x44); /* 2 6 3 7 */
	d = _mm512_shuffle_i32x4(r0, r1, 0xee); /* 8 12 9 13 */
	e = _mm512_shuffle_i32x4(r2, r3, 0xee);
	return (struct words){ {
		_mm512_shuffle_i32x4(a, b, 0x88),
		_mm512_shuffle_i32x4(a, b, 0xdd),
		_mm512_shuffle_i32x4(d, e, 0x88),
		_mm512_shuffle_i32x4(d, e, 0xdd),
	} };
}

/* Sixteen counters of generator r from (pos << 32 | first) on. */
static inline struct words draw(struct rng r, uint32_t pos, uint32_t first)
{
	const __m512i i = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
					    11, 12, 13, 14, 15);
	struct words c = { {
		_mm512_add_epi32(_mm512_set1_epi32((int)first), i),
		_mm512_set1_epi32((int)pos),
		_mm512_set1_epi32((int)r.high),
		_mm512_set1_epi32((int)r.high2),
	} };

	return in_order(philox(c, r.key));
}

/* x where the words w keep it, scaled; 0 elsewhere. */
static inline __m512 pass(__m512 x, __m512i w, __m512 least, __m512 up)
{
	__m512 u = _mm512_cvtepi32_ps(_mm512_srli_epi32(w, 8));

	u = _mm512_mul_ps(u, _mm512_set1_ps(0x1p-24f));
	return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(u, least, _CMP_NLT_UQ),
				   _mm512_mul_ps(x, up));
}

void dropout_avx512(float *y, int add, const float *x, size_t n, struct rng r,
		    uint32_t pos, float p)
{
	const __m512 least = _mm512_set1_ps(p);
	const __m512 up = _mm512_set1_ps(1 / (1 - p));

	for (size_t i = 0; i < n; i += 64) {
		struct words w = draw(r, pos, (uint32_t)(i / 4));

		for (size_t j = 0; j < 4 && i + 16 * j < n; j++) {
			size_t at = i + 16 * j;
			__m512 v = pass(load16(x + at, n - at), w.w[j], least,
					up);

			if (add)
				v = _mm512_add_ps(load16(y + at, n - at), v);
			store16(y + at, n - at, v);
		}
	}
}
