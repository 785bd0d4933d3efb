/*
 * x16_avx2 - sixteen lanes (kernel/lanes.h) as two registers of eight
 *
 * x16_avx512.h has the same names for one register of sixteen: a file
 * <subject>_x16.h that is written in them, included behind either, is the
 * variant of that level. X16(name) is what it is called. Results are those of
 * C's operators and fmaf(), lane by lane.
 */
#ifndef KERNEL_X16_AVX2_H
#define KERNEL_X16_AVX2_H

#include "kernel/lanes_avx2.h"

#define X16(name) name##_avx2
#define INLINE static inline __attribute__((always_inline))

typedef struct {
	__m256 low, high;
} x16;

typedef x16 x16_mask;

INLINE x16 x16_set(float a)
{
	return (x16){ _mm256_set1_ps(a), _mm256_set1_ps(a) };
}

/* An array of which so many are left: lanes past its end are zeros, and are
 * not written. */
INLINE x16 x16_load(const float *x, size_t left)
{
	if (left >= 16)
		return (x16){ _mm256_loadu_ps(x), _mm256_loadu_ps(x + 8) };
	return (x16){ _mm256_maskload_ps(x, mask8_at(left, 0)),
		      _mm256_maskload_ps(x + 8, mask8_at(left, 8)) };
}

INLINE void x16_store(float *y, size_t left, x16 v)
{
	if (left >= 16) {
		_mm256_storeu_ps(y, v.low);
		_mm256_storeu_ps(y + 8, v.high);
	} else {
		_mm256_maskstore_ps(y, mask8_at(left, 0), v.low);
		_mm256_maskstore_ps(y + 8, mask8_at(left, 8), v.high);
	}
}

/* The lanes of new that are left, of old the others. */
INLINE x16 x16_keep(x16 old, x16 new, size_t left)
{
	if (left >= 16)
		return new;
	return (x16){ keep(old.low, new.low, mask8_at(left, 0)),
		      keep(old.high, new.high, mask8_at(left, 8)) };
}

#define X16_TWO(name, op)                                                 \
	INLINE x16 x16_##name(x16 a, x16 b)                               \
	{                                                                 \
		return (x16){ _mm256_##op##_ps(a.low, b.low),             \
			      _mm256_##op##_ps(a.high, b.high) };         \
	}
#define X16_THREE(name, op)                                               \
	INLINE x16 x16_##name(x16 a, x16 b, x16 c)                        \
	{                                                                 \
		return (x16){ _mm256_##op##_ps(a.low, b.low, c.low),      \
			      _mm256_##op##_ps(a.high, b.high, c.high) }; \
	}

X16_TWO(add, add)
X16_TWO(sub, sub)
X16_TWO(mul, mul)
X16_TWO(div, div)
X16_TWO(min, min)               /* a < b ? a : b */
X16_TWO(xor, xor)
X16_TWO(and_not, andnot)        /* the bits of b that a lacks */
X16_THREE(fma, fmadd)           /* a b + c */
X16_THREE(fnma, fnmadd)         /* -a b + c */

INLINE x16_mask x16_less(x16 a, x16 b)
{
	return (x16){ _mm256_cmp_ps(a.low, b.low, _CMP_LT_OQ),
		      _mm256_cmp_ps(a.high, b.high, _CMP_LT_OQ) };
}

INLINE x16 x16_select(x16_mask m, x16 yes, x16 no)
{
	return (x16){ _mm256_blendv_ps(no.low, yes.low, m.low),
		      _mm256_blendv_ps(no.high, yes.high, m.high) };
}

INLINE x16 x16_exp(x16 x)
{
	return (x16){ exp8(x.low), exp8(x.high) };
}

/* lanes_sum() */
INLINE float x16_sum(x16 a)
{
	return sum16(a.low, a.high);
}

#include "kernel/x16_math.h"

#endif
