#include "kernel/nf4.h"

#include <float.h>
#include <immintrin.h>
#include <math.h>

/*
 * A little more than [-1, 1] is cut into 32 cells, narrower than the bounds are
 * apart: so a cell has at most one. A code is how many bounds lie below the
 * cell, and one more for a value above the cell's own. A table of 32 is two
 * registers. No bound is within 0.006 of a cell end: rounding does not matter.
 */
#define PER_UNIT 15.75f
#define MIDDLE   16.0f

struct cells {
	__m512 bound[2];        /* infinity: none */
	__m512i below[2];
};

static struct cells cells_of(const float bound[15])
{
	float own[32];
	int below[32], c = 0;

	for (int i = 0; i < 32; i++) {
		float end = ((float)i + 1 - MIDDLE) / PER_UNIT;

		below[i] = c;
		own[i] = c < 15 && bound[c] < end ? bound[c++] : INFINITY;
	}
	return (struct cells){
		{ _mm512_loadu_ps(own), _mm512_loadu_ps(own + 16) },
		{ _mm512_loadu_si512(below), _mm512_loadu_si512(below + 16) },
	};
}

/* Of v up to 1 in magnitude, or of NaN, whose cell has zeros for low bits. */
static inline __m512i codes_of(__m512 v, const struct cells *t)
{
	__m512i cell = _mm512_cvttps_epi32(_mm512_fmadd_ps(
		v, _mm512_set1_ps(PER_UNIT), _mm512_set1_ps(MIDDLE)));
	__m512 bound = _mm512_permutex2var_ps(t->bound[0], cell, t->bound[1]);
	__m512i code = _mm512_permutex2var_epi32(t->below[0], cell,
						 t->below[1]);

	return _mm512_mask_add_epi32(code,
				     _mm512_cmp_ps_mask(v, bound, _CMP_GT_OQ),
				     code, _mm512_set1_epi32(1));
}

static inline float largest(const float *x, size_t n)
{
	const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
	__m512i a = _mm512_setzero_si512(), b = a;
	__m256i h;
	__m128i m;

	for (size_t i = 0; i < n; i += 32) {
		__m512i u = _mm512_loadu_si512(x + i);
		__m512i v = _mm512_loadu_si512(x + i + 16);

		a = _mm512_max_epi32(a, _mm512_and_si512(u, magnitude));
		b = _mm512_max_epi32(b, _mm512_and_si512(v, magnitude));
	}
	a = _mm512_max_epi32(a, b);
	h = _mm256_max_epi32(_mm512_castsi512_si256(a),
			     _mm512_extracti64x4_epi64(a, 1));
	m = _mm_max_epi32(_mm256_castsi256_si128(h),
			  _mm256_extracti128_si256(h, 1));
	m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
	m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
	return _mm_cvtss_f32(_mm_castsi128_ps(m));
}

/* 16 values to 8 bytes: of two neighbours the first is the high nibble. */
static inline __m128i encode16(const float *x, __m512 by,
			       const struct cells *t)
{
	__m512i c = codes_of(_mm512_mul_ps(_mm512_loadu_ps(x), by), t);

	c = _mm512_or_si512(_mm512_slli_epi64(c, 4), _mm512_srli_epi64(c, 32));
	return _mm512_cvtepi64_epi8(c);
}

void nf4_encode_avx512(uint8_t *code, float *absmax, const float *x,
		       size_t nblock, size_t block, float least)
{
	const struct cells t = cells_of(nf4_bound);

	for (size_t b = 0; b < nblock; b++, x += block, code += block / 2) {
		float top = largest(x, block);
		float inverse = 1.0f / (top < least ? least : top);
		__m512 by = _mm512_set1_ps(inverse);

		if (inverse > FLT_MAX) {
			nf4_encode_avx2(code, absmax + b, x, 1, block, least);
			continue;
		}
		absmax[b] = top;
		for (size_t i = 0; i < block; i += 32) {
			__m128i c = _mm_unpacklo_epi64(
				encode16(x + i, by, &t),
				encode16(x + i + 16, by, &t));

			_mm_storeu_si128((void *)(code + i / 2), c);
		}
	}
}
