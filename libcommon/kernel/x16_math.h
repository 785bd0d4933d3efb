/* x16_math - base/math.h's tanh and erf in sixteen lanes, to the bit; a header
 * of registers, x16_avx2.h, includes it */
#ifndef KERNEL_X16_MATH_H
#define KERNEL_X16_MATH_H

#include "base/size.h"

INLINE x16 x16_neg(x16 x)
{
	return x16_xor(x, x16_set(-0.0f));
}

INLINE x16 x16_abs(x16 x)
{
	return x16_and_not(x16_set(-0.0f), x);
}

/* x, which is not negative, with the sign of s. */
INLINE x16 x16_signed(x16 x, x16 s)
{
	return x16_xor(x, x16_xor(s, x16_abs(s)));
}

INLINE x16 x16_polynomial(const float *c, int n, x16 x)
{
	x16 p = x16_set(c[n - 1]);

#pragma GCC unroll 8
	for (int i = n - 2; i >= 0; i--)
		p = x16_fma(p, x, x16_set(c[i]));
	return p;
}

INLINE x16 x16_tanh(x16 x)
{
	static const float c[] = { MATH_TANH };
	const x16 one = x16_set(1), two = x16_set(2);
	x16 y = x16_abs(x), z = x16_mul(y, y), small, large;

	small = x16_mul(x16_polynomial(c, NELEM(c), z), z);
	small = x16_fma(small, y, y);
	large = x16_add(x16_exp(x16_mul(two, y)), one);
	large = x16_sub(one, x16_div(two, large));
	return x16_signed(x16_select(x16_less(y, x16_set(MATH_TANH_SMALL)),
				     small, large), x);
}

INLINE x16 x16_erf(x16 x)
{
	static const float low[] = { MATH_ERF_LOW };
	static const float high[] = { MATH_ERF_HIGH };
	const x16 one = x16_set(1);
	x16 y = x16_abs(x), small, large;

	small = x16_polynomial(low, NELEM(low), x16_mul(y, y));
	small = x16_fma(small, y, y);
	large = x16_min(x16_set(4), y);
	large = x16_mul(x16_polynomial(high, NELEM(high), large), large);
	large = x16_sub(one, x16_exp(large));
	return x16_signed(x16_select(x16_less(y, one), small, large), x);
}

#endif
