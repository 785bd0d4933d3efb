/* gate_x16 - gate.c in sixteen lanes; kernel/x16_avx2.h says how */
#ifndef KERNEL_GATE_X16_H
#define KERNEL_GATE_X16_H

#include "kernel/gate.h"

struct slope {
	x16 y, dy;
};

/* 1 + exp(-x) */
INLINE x16 denominator(x16 x)
{
	return x16_add(x16_exp(x16_neg(x)), x16_set(1));
}

INLINE x16 silu(x16 x)
{
	return x16_div(x, denominator(x));
}

INLINE struct slope silu_slope(x16 x)
{
	const x16 one = x16_set(1);
	x16 s = x16_div(one, denominator(x)), y = x16_mul(x, s);

	return (struct slope){ y, x16_fma(y, x16_sub(one, s), s) };
}

INLINE x16 tanh_part(x16 x)
{
	x16 cube = x16_fma(x16_mul(x16_set(0.044715f), x), x, x16_set(1));

	return x16_tanh(x16_mul(x16_mul(x16_set(0.7978845608f), x), cube));
}

INLINE x16 gelu_tanh(x16 x)
{
	x16 t = x16_add(x16_set(1), tanh_part(x));

	return x16_mul(x16_mul(x16_set(0.5f), x), t);
}

INLINE struct slope gelu_tanh_slope(x16 x)
{
	const x16 one = x16_set(1), half = x16_set(0.5f);
	x16 t = tanh_part(x), t1 = x16_add(one, t), dt, inner;

	inner = x16_fma(x16_mul(x16_set(0.134145f), x), x, one);
	inner = x16_mul(x16_set(0.7978845608f), inner);
	dt = x16_mul(x, x16_fnma(t, t, one));
	return (struct slope){
		x16_mul(x16_mul(half, x), t1),
		x16_mul(half, x16_fma(dt, inner, t1)),
	};
}

INLINE x16 erf_part(x16 x)
{
	x16 e = x16_erf(x16_mul(x16_set(0.7071067812f), x));

	return x16_mul(x16_set(0.5f), x16_add(x16_set(1), e));
}

INLINE x16 gelu_erf(x16 x)
{
	return x16_mul(x, erf_part(x));
}

INLINE struct slope gelu_erf_slope(x16 x)
{
	x16 s = erf_part(x);
	x16 e = x16_exp(x16_mul(x16_mul(x16_set(-0.5f), x), x));

	return (struct slope){
		x16_mul(x, s),
		x16_fma(x16_mul(x16_set(0.3989422804f), x), e, s),
	};
}

/* Whole steps, then what is left; up stays NULL. */
#define UP(i) (up ? up + (i) : NULL)
#define GATE(act)                                                            \
	INLINE void act##_step(float *y, const float *gate, const float *up, \
			       size_t left)                                  \
	{                                                                    \
		x16 v = act(x16_load(gate, left));                           \
                                                                             \
		if (up)                                                      \
			v = x16_mul(v, x16_load(up, left));                  \
		x16_store(y, left, v);                                       \
	}                                                                    \
                                                                             \
	INLINE void act##_back(float *dgate, float *dup, const float *dy,    \
			       const float *gate, const float *up,           \
			       size_t left)                                  \
	{                                                                    \
		struct slope a = act##_slope(x16_load(gate, left));          \
		x16 u = up ? x16_load(up, left) : x16_set(1);                \
		x16 g = x16_load(dy, left);                                  \
                                                                             \
		x16_store(dgate, left, x16_mul(x16_mul(g, u), a.dy));        \
		if (up)                                                      \
			x16_store(dup, left, x16_mul(g, a.y));               \
	}                                                                    \
                                                                             \
	void X16(act##_gate)(float *y, const float *gate, const float *up,   \
			     size_t n)                                       \
	{                                                                    \
		size_t i = 0;                                                \
                                                                             \
		for (; i + 16 <= n; i += 16)                                 \
			act##_step(y + i, gate + i, UP(i), 16);              \
		act##_step(y + i, gate + i, UP(i), n - i);                   \
	}                                                                    \
                                                                             \
	void X16(act##_gate_backward)(float *dgate, float *dup,              \
				      const float *dy, const float *gate,    \
				      const float *up, size_t n)             \
	{                                                                    \
		size_t i = 0;                                                \
                                                                             \
		for (; i + 16 <= n; i += 16)                                 \
			act##_back(dgate + i, up ? dup + i : NULL, dy + i,   \
				   gate + i, UP(i), 16);                     \
		act##_back(dgate + i, up ? dup + i : NULL, dy + i, gate + i, \
			   UP(i), n - i);                                    \
	}

GATE(silu)
GATE(gelu_tanh)
GATE(gelu_erf)

#endif
