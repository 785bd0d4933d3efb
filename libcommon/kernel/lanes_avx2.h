/*
 * lanes_avx2 - lanes.h and math_exp() in registers of eight, to the bit
 *
 * Sixteen lanes are two registers. All is static: only _avx2.c files include
 * this.
 */
#ifndef KERNEL_LANES_AVX2_H
#define KERNEL_LANES_AVX2_H

#include "base/math.h"

#include <immintrin.h>
#include <math.h>
#include <stddef.h>

/* The first n of eight lanes; 8 and more: all. */
static inline __m256i mask8(size_t n)
{
	const __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

	return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < 8 ? (int)n : 8), i);
}

/* Lanes [at, at + 8) of a row's last, short step of n lanes. */
static inline __m256i mask8_at(size_t n, size_t at)
{
	return mask8(n > at ? n - at : 0);
}

static inline __m256 keep(__m256 old, __m256 new, __m256i mask)
{
	return _mm256_blendv_ps(old, new, _mm256_castsi256_ps(mask));
}

/* lanes_sum(): low holds lanes 0 to 7, high 8 to 15. */
static inline float sum16(__m256 low, __m256 high)
{
	__m256 a = _mm256_add_ps(low, high);
	__m128 b = _mm_add_ps(_mm256_castps256_ps128(a),
			      _mm256_extractf128_ps(a, 1));

	b = _mm_add_ps(b, _mm_movehl_ps(b, b));
	return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}

/* lanes_sum64(): four registers of four. */
static inline double sum16_64(const __m256d lane[4])
{
	__m256d a = _mm256_add_pd(_mm256_add_pd(lane[0], lane[2]),
				  _mm256_add_pd(lane[1], lane[3]));
	__m128d b = _mm_add_pd(_mm256_castpd256_pd128(a),
			       _mm256_extractf128_pd(a, 1));

	return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
}

static inline float max8(__m256 a)
{
	__m128 b = _mm_max_ps(_mm256_castps256_ps128(a),
			      _mm256_extractf128_ps(a, 1));

	b = _mm_max_ps(b, _mm_movehl_ps(b, b));
	return _mm_cvtss_f32(_mm_max_ss(b, _mm_shuffle_ps(b, b, 1)));
}

/* math_exp(x) for x <= 0, -infinity too, and for NaN something. */
static inline __m256 exp8_low(__m256 x)
{
	__m256 n = _mm256_round_ps(
		_mm256_mul_ps(x, _mm256_set1_ps(0x1.715476p+0f)),
		_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
	__m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-0x1.63p-1f), x);
	__m256 p = _mm256_set1_ps(0x1.a124f2p-13f), y;
	__m256i e;

	r = _mm256_fmadd_ps(n, _mm256_set1_ps(0x1.bd0106p-13f), r);
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.6d4324p-10f));
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.1110e0p-7f));
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.5554eap-5f));
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.555556p-3f));
	p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.000000p-1f));
	y = _mm256_fmadd_ps(p, _mm256_mul_ps(r, r), r);
	y = _mm256_add_ps(y, _mm256_set1_ps(1));
	e = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
	y = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(y), e));
	return _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_set1_ps(MATH_EXP_LEAST),
					      _CMP_LT_OQ), y);
}

/* math_exp(x) for all x. */
static inline __m256 exp8(__m256 x)
{
	const __m256 most = _mm256_set1_ps(MATH_EXP_MOST);
	__m256 y = exp8_low(x);

	y = _mm256_blendv_ps(y, _mm256_set1_ps(INFINITY),
			     _mm256_cmp_ps(x, most, _CMP_GT_OQ));
	return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

#endif
