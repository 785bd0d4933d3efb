#include "kernel/gate.h"

#include "kernel/lanes_avx512.h"

/* 1 + exp(-x) */
static inline __m512 denominator(__m512 x)
{
	x = _mm512_xor_ps(x, _mm512_set1_ps(-0.0f));
	return _mm512_add_ps(exp16(x), _mm512_set1_ps(1));
}

void silu_gate_avx512(float *y, const float *gate, const float *up, size_t n)
{
	for (size_t i = 0; i < n; i += 16) {
		__m512 x = load16(gate + i, n - i);

		x = _mm512_div_ps(x, denominator(x));
		if (up)
			x = _mm512_mul_ps(x, load16(up + i, n - i));
		store16(y + i, n - i, x);
	}
}

void silu_gate_backward_avx512(float *dgate, float *dup, const float *dy,
			       const float *gate, const float *up, size_t n)
{
	const __m512 one = _mm512_set1_ps(1);

	for (size_t i = 0; i < n; i += 16) {
		size_t left = n - i;
		__m512 g = load16(dy + i, left), x = load16(gate + i, left);
		__m512 u = up ? load16(up + i, left) : one;
		__m512 s = _mm512_div_ps(one, denominator(x));
		__m512 y = _mm512_mul_ps(x, s);
		__m512 slope = _mm512_fmadd_ps(y, _mm512_sub_ps(one, s), s);

		store16(dgate + i, left,
			_mm512_mul_ps(_mm512_mul_ps(g, u), slope));
		if (up)
			store16(dup + i, left, _mm512_mul_ps(g, y));
	}
}
