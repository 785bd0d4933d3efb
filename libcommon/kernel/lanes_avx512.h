/*
 * lanes_avx512 - lanes.h and math_exp() in registers of sixteen, to the bit
 *
 * Sixteen lanes are one register. All is static: only _avx512.c files include
 * this.
 */
#ifndef KERNEL_LANES_AVX512_H
#define KERNEL_LANES_AVX512_H

#include "base/math.h"

#include <immintrin.h>
#include <math.h>
#include <stddef.h>

/* The first n of sixteen lanes; 16 and more: all. */
static inline __mmask16 mask16(size_t n)
{
	return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffff);
}

/* A register of an array of which so many are left: lanes past its end are
 * zeros, and are not written. */
static inline __m512 load16(const float *x, size_t left)
{
	return left >= 16 ? _mm512_loadu_ps(x) :
			    _mm512_maskz_loadu_ps(mask16(left), x);
}

static inline void store16(float *y, size_t left, __m512 v)
{
	if (left >= 16)
		_mm512_storeu_ps(y, v);
	else
		_mm512_mask_storeu_ps(y, mask16(left), v);
}

/* lanes_sum() */
static inline float sum16(__m512 lane)
{
	__m256 a = _mm256_add_ps(_mm512_castps512_ps256(lane),
				 _mm512_extractf32x8_ps(lane, 1));
	__m128 b = _mm_add_ps(_mm256_castps256_ps128(a),
			      _mm256_extractf128_ps(a, 1));

	b = _mm_add_ps(b, _mm_movehl_ps(b, b));
	return _mm_cvtss_f32(_mm_add_ss(b, _mm_shuffle_ps(b, b, 1)));
}

/* lanes_sum64(): low holds lanes 0 to 7, high 8 to 15. */
static inline double sum16_64(__m512d low, __m512d high)
{
	__m512d s = _mm512_add_pd(low, high);
	__m256d a = _mm256_add_pd(_mm512_castpd512_pd256(s),
				  _mm512_extractf64x4_pd(s, 1));
	__m128d b = _mm_add_pd(_mm256_castpd256_pd128(a),
			       _mm256_extractf128_pd(a, 1));

	return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
}

static inline float max16(__m512 lane)
{
	__m256 a = _mm256_max_ps(_mm512_castps512_ps256(lane),
				 _mm512_extractf32x8_ps(lane, 1));
	__m128 b = _mm_max_ps(_mm256_castps256_ps128(a),
			      _mm256_extractf128_ps(a, 1));

	b = _mm_max_ps(b, _mm_movehl_ps(b, b));
	return _mm_cvtss_f32(_mm_max_ss(b, _mm_shuffle_ps(b, b, 1)));
}

/* math_exp(x) for x <= 0, -infinity too, and for NaN something. */
static inline __m512 exp16_low(__m512 x)
{
	__mmask16 normal = _mm512_cmp_ps_mask(
		x, _mm512_set1_ps(MATH_EXP_LEAST), _CMP_NLT_UQ);
	__m512 n = _mm512_roundscale_ps(
		_mm512_mul_ps(x, _mm512_set1_ps(0x1.715476p+0f)),
		_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
	__m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0x1.63p-1f), x);
	__m512 p = _mm512_set1_ps(0x1.a124f2p-13f), y;
	__m512i e;

	r = _mm512_fmadd_ps(n, _mm512_set1_ps(0x1.bd0106p-13f), r);
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.6d4324p-10f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.1110e0p-7f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.5554eap-5f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.555556p-3f));
	p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.000000p-1f));
	y = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r);
	y = _mm512_add_ps(y, _mm512_set1_ps(1));
	e = _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23);
	return _mm512_castsi512_ps(_mm512_maskz_add_epi32(
		normal, _mm512_castps_si512(y), e));
}

/* math_exp(x) for all x. */
static inline __m512 exp16(__m512 x)
{
	const __m512 most = _mm512_set1_ps(MATH_EXP_MOST);
	__m512 y = exp16_low(x);

	y = _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, most, _CMP_GT_OQ),
			       _mm512_set1_ps(INFINITY));
	return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q),
				  x);
}

#endif
