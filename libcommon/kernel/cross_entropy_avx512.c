#include "kernel/cross_entropy.h"

#include "base/size.h"
#include "kernel/lanes_avx512.h"

enum { BLOCK = 256 };

static float largest(const float *x, size_t n)
{
	__m512 a = _mm512_set1_ps(-INFINITY), b = a;
	size_t i = 0;

	for (; i + 32 <= n; i += 32) {
		a = _mm512_max_ps(_mm512_loadu_ps(x + i), a);
		b = _mm512_max_ps(_mm512_loadu_ps(x + i + 16), b);
	}
	for (; i < n; i += 16)
		a = _mm512_mask_max_ps(a, mask16(n - i), load16(x + i, n - i),
				       a);
	return max16(_mm512_max_ps(a, b));
}

/* The sum of exp(x - m); the exponentials also to e, unless it is NULL. */
static inline double sum_exp(float *e, const float *x, size_t n, float m)
{
	const __m512 by = _mm512_set1_ps(m);
	__m512d low = _mm512_setzero_pd(), high = low;

	for (size_t at = 0; at < n; at += BLOCK) {
		size_t end = size_min(at + BLOCK, n);
		__m512 sum = _mm512_setzero_ps();
		__m256 half;

		for (size_t i = at; i < end; i += 16) {
			__m512 v = exp16_low(
				_mm512_sub_ps(load16(x + i, end - i), by));

			if (e)
				store16(e + i, end - i, v);
			sum = _mm512_mask_add_ps(sum, mask16(end - i), sum, v);
		}
		half = _mm512_castps512_ps256(sum);
		low = _mm512_add_pd(low, _mm512_cvtps_pd(half));
		half = _mm512_extractf32x8_ps(sum, 1);
		high = _mm512_add_pd(high, _mm512_cvtps_pd(half));
	}
	return sum16_64(low, high);
}

double cross_entropy_avx512(const float *logits, size_t n, size_t target)
{
	float m = largest(logits, n);

	return math_log64(sum_exp(NULL, logits, n, m)) + m - logits[target];
}

double cross_entropy_backward_avx512(float *logits, size_t n, size_t target,
				     float by)
{
	float m = largest(logits, n), x = logits[target];
	double sum = sum_exp(logits, logits, n, m);
	const __m512 scale = _mm512_set1_ps((float)(by / sum));

	for (size_t i = 0; i < n; i += 16)
		store16(logits + i, n - i,
			_mm512_mul_ps(scale, load16(logits + i, n - i)));
	logits[target] -= by;
	return math_log64(sum) + m - x;
}
