#include "kernel/nf4.h"

#include <immintrin.h>

/*
 * Eight codes by four steps of a binary search, one bit a step: which bound
 * comes next is looked up by the bits found so far. A register holds the
 * bounds of a step.
 */
struct bounds {
	__m256 step[4];
};

static inline struct bounds bounds_load(void)
{
	const float *t = nf4_bound;

	return (struct bounds){ {
		_mm256_set1_ps(t[7]),
		_mm256_setr_ps(t[3], t[11], 0, 0, 0, 0, 0, 0),
		_mm256_setr_ps(t[1], t[5], t[9], t[13], 0, 0, 0, 0),
		_mm256_setr_ps(t[0], t[2], t[4], t[6], t[8], t[10], t[12],
			       t[14]),
	} };
}

static inline __m256i codes_of(__m256 v, const struct bounds *t)
{
	/* A comparison that holds is -1. */
	__m256i above = _mm256_castps_si256(
		_mm256_cmp_ps(v, t->step[0], _CMP_GT_OQ));
	__m256i code = _mm256_srli_epi32(above, 31);

	for (int i = 1; i < 4; i++) {
		__m256 bound = _mm256_permutevar8x32_ps(t->step[i], code);

		above = _mm256_castps_si256(_mm256_cmp_ps(v, bound,
							  _CMP_GT_OQ));
		code = _mm256_sub_epi32(_mm256_add_epi32(code, code), above);
	}
	return code;
}

static inline float largest(const float *x, size_t n)
{
	const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
	__m256i a = _mm256_setzero_si256(), b = a;
	__m128i m;

	for (size_t i = 0; i < n; i += 16) {
		__m256i u = _mm256_loadu_si256((const __m256i *)(x + i));
		__m256i v = _mm256_loadu_si256((const __m256i *)(x + i + 8));

		a = _mm256_max_epi32(a, _mm256_and_si256(u, magnitude));
		b = _mm256_max_epi32(b, _mm256_and_si256(v, magnitude));
	}
	a = _mm256_max_epi32(a, b);
	m = _mm_max_epi32(_mm256_castsi256_si128(a),
			  _mm256_extracti128_si256(a, 1));
	m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
	m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
	return _mm_cvtss_f32(_mm_castsi128_ps(m));
}

/* 32 values to 16 bytes. */
static inline void encode_unit(uint8_t *code, const float *x, __m256 by,
			       const struct bounds *t)
{
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	__m256i c[4], w;

	for (int i = 0; i < 4; i++)
		c[i] = codes_of(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), by),
				t);
	w = _mm256_packus_epi16(_mm256_packs_epi32(c[0], c[1]),
				_mm256_packs_epi32(c[2], c[3]));
	w = _mm256_permutevar8x32_epi32(w, order);
	w = _mm256_maddubs_epi16(w, _mm256_set1_epi16(0x0110));
	w = _mm256_permute4x64_epi64(_mm256_packus_epi16(w, w), 0x08);
	_mm_storeu_si128((__m128i *)code, _mm256_castsi256_si128(w));
}

void nf4_encode_avx2(uint8_t *code, float *absmax, const float *x,
		     size_t nblock, size_t block, float least)
{
	const struct bounds t = bounds_load();

	for (size_t b = 0; b < nblock; b++) {
		float top = largest(x, block);
		__m256 by = _mm256_set1_ps(1.0f / (top < least ? least : top));

		absmax[b] = top;
		for (size_t i = 0; i < block; i += NF4_UNIT) {
			encode_unit(code, x, by, &t);
			code += NF4_UNIT / 2;
			x += NF4_UNIT;
		}
	}
}
