#include "kernel/gate.h"

#include "kernel/lanes_avx2.h"

/* 1 + exp(-x) */
static inline __m256 denominator(__m256 x)
{
	x = _mm256_xor_ps(x, _mm256_set1_ps(-0.0f));
	return _mm256_add_ps(exp8(x), _mm256_set1_ps(1));
}

static inline __m256 silu(__m256 x)
{
	return _mm256_div_ps(x, denominator(x));
}

void silu_gate_avx2(float *y, const float *gate, const float *up, size_t n)
{
	size_t i = 0;
	__m256i m;
	__m256 v;

	for (; i + 8 <= n; i += 8) {
		v = silu(_mm256_loadu_ps(gate + i));
		if (up)
			v = _mm256_mul_ps(v, _mm256_loadu_ps(up + i));
		_mm256_storeu_ps(y + i, v);
	}
	m = mask8(n - i);
	v = silu(_mm256_maskload_ps(gate + i, m));
	if (up)
		v = _mm256_mul_ps(v, _mm256_maskload_ps(up + i, m));
	_mm256_maskstore_ps(y + i, m, v);
}

/* From dy, gate and up to dgate, returned, and dup. */
static inline __m256 backward8(__m256 g, __m256 x, __m256 u, __m256 *dup)
{
	const __m256 one = _mm256_set1_ps(1);
	__m256 s = _mm256_div_ps(one, denominator(x));
	__m256 y = _mm256_mul_ps(x, s);
	__m256 slope = _mm256_fmadd_ps(y, _mm256_sub_ps(one, s), s);

	*dup = _mm256_mul_ps(g, y);
	return _mm256_mul_ps(_mm256_mul_ps(g, u), slope);
}

void silu_gate_backward_avx2(float *dgate, float *dup, const float *dy,
			     const float *gate, const float *up, size_t n)
{
	__m256 u = _mm256_set1_ps(1), g, du;
	size_t i = 0;
	__m256i m;

	for (; i + 8 <= n; i += 8) {
		if (up)
			u = _mm256_loadu_ps(up + i);
		g = backward8(_mm256_loadu_ps(dy + i),
			      _mm256_loadu_ps(gate + i), u, &du);
		_mm256_storeu_ps(dgate + i, g);
		if (up)
			_mm256_storeu_ps(dup + i, du);
	}
	m = mask8(n - i);
	if (up)
		u = _mm256_maskload_ps(up + i, m);
	g = backward8(_mm256_maskload_ps(dy + i, m),
		      _mm256_maskload_ps(gate + i, m), u, &du);
	_mm256_maskstore_ps(dgate + i, m, g);
	if (up)
		_mm256_maskstore_ps(dup + i, m, du);
}
