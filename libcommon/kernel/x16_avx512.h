/* x16_avx512 - sixteen lanes as one register: x16_avx2.h says what for */
#ifndef KERNEL_X16_AVX512_H
#define KERNEL_X16_AVX512_H

#include "kernel/lanes_avx512.h"

#define X16(name) name##_avx512
#define INLINE static inline __attribute__((always_inline))

typedef __m512 x16;
typedef __mmask16 x16_mask;

INLINE x16 x16_set(float a)
{
	return _mm512_set1_ps(a);
}

INLINE x16 x16_load(const float *x, size_t left)
{
	return load16(x, left);
}

INLINE void x16_store(float *y, size_t left, x16 v)
{
	store16(y, left, v);
}

INLINE x16 x16_keep(x16 old, x16 new, size_t left)
{
	return _mm512_mask_mov_ps(old, mask16(left), new);
}

#define X16_TWO(name, op)                        \
	INLINE x16 x16_##name(x16 a, x16 b)      \
	{                                        \
		return _mm512_##op##_ps(a, b);   \
	}
#define X16_THREE(name, op)                            \
	INLINE x16 x16_##name(x16 a, x16 b, x16 c)     \
	{                                              \
		return _mm512_##op##_ps(a, b, c);      \
	}

X16_TWO(add, add)
X16_TWO(sub, sub)
X16_TWO(mul, mul)
X16_TWO(div, div)
X16_TWO(min, min)
X16_TWO(xor, xor)
X16_TWO(and_not, andnot)
X16_THREE(fma, fmadd)
X16_THREE(fnma, fnmadd)

INLINE x16_mask x16_less(x16 a, x16 b)
{
	return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

INLINE x16 x16_select(x16_mask m, x16 yes, x16 no)
{
	return _mm512_mask_mov_ps(no, m, yes);
}

INLINE x16 x16_exp(x16 x)
{
	return exp16(x);
}

INLINE float x16_sum(x16 a)
{
	return sum16(a);
}

#include "kernel/x16_math.h"

#endif
