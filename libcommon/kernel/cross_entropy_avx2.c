#include "kernel/cross_entropy.h"

#include "base/size.h"
#include "kernel/lanes_avx2.h"

enum { BLOCK = 256 };

static float largest(const float *x, size_t n)
{
	__m256 a = _mm256_set1_ps(-INFINITY), b = a, c = a, d = a, last;
	size_t i = 0;
	__m256i m;

	for (; i + 32 <= n; i += 32) {
		a = _mm256_max_ps(_mm256_loadu_ps(x + i), a);
		b = _mm256_max_ps(_mm256_loadu_ps(x + i + 8), b);
		c = _mm256_max_ps(_mm256_loadu_ps(x + i + 16), c);
		d = _mm256_max_ps(_mm256_loadu_ps(x + i + 24), d);
	}
	for (; i < n; i += 8) {
		m = mask8(n - i);
		last = keep(a, _mm256_maskload_ps(x + i, m), m);
		a = _mm256_max_ps(last, a);
	}
	return max8(_mm256_max_ps(_mm256_max_ps(a, b), _mm256_max_ps(c, d)));
}

/* Lanes of f32, added to total in f64. */
static inline void flush(__m256d total[4], __m256 low, __m256 high)
{
	__m128 part[4] = { _mm256_castps256_ps128(low),
			   _mm256_extractf128_ps(low, 1),
			   _mm256_castps256_ps128(high),
			   _mm256_extractf128_ps(high, 1) };

	for (int i = 0; i < 4; i++)
		total[i] = _mm256_add_pd(total[i], _mm256_cvtps_pd(part[i]));
}

/* One register of exp(x - by), to e too unless it is NULL; added to sum. */
static inline __m256 step(float *e, const float *x, __m256 by, __m256 sum)
{
	__m256 v = exp8_low(_mm256_sub_ps(_mm256_loadu_ps(x), by));

	if (e)
		_mm256_storeu_ps(e, v);
	return _mm256_add_ps(sum, v);
}

static inline __m256 last_step(float *e, const float *x, __m256 by, __m256 sum,
			       __m256i m)
{
	__m256 v = exp8_low(_mm256_sub_ps(_mm256_maskload_ps(x, m), by));

	if (e)
		_mm256_maskstore_ps(e, m, v);
	return keep(sum, _mm256_add_ps(sum, v), m);
}

static inline double sum_exp(float *e, const float *x, size_t n, float m)
{
	const __m256 by = _mm256_set1_ps(m), zero = _mm256_setzero_ps();
	__m256d total[4];

	for (int j = 0; j < 4; j++)
		total[j] = _mm256_setzero_pd();
	for (size_t at = 0; at < n; at += BLOCK) {
		size_t i = at, end = size_min(at + BLOCK, n);
		__m256 low = zero, high = zero;

		for (; i + 16 <= end; i += 16) {
			low = step(e ? e + i : e, x + i, by, low);
			high = step(e ? e + i + 8 : e, x + i + 8, by, high);
		}
		if (i < end) {
			low = last_step(e ? e + i : e, x + i, by, low,
					mask8_at(end - i, 0));
			high = last_step(e ? e + i + 8 : e, x + i + 8, by,
					 high, mask8_at(end - i, 8));
		}
		flush(total, low, high);
	}
	return sum16_64(total);
}

double cross_entropy_avx2(const float *logits, size_t n, size_t target)
{
	float m = largest(logits, n);

	return math_log64(sum_exp(NULL, logits, n, m)) + m - logits[target];
}

static void scale(float *x, float s, size_t n)
{
	const __m256 by = _mm256_set1_ps(s);
	size_t i = 0;
	__m256i m;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(x + i,
				 _mm256_mul_ps(_mm256_loadu_ps(x + i), by));
	m = mask8(n - i);
	_mm256_maskstore_ps(x + i, m,
			    _mm256_mul_ps(_mm256_maskload_ps(x + i, m), by));
}

double cross_entropy_backward_avx2(float *logits, size_t n, size_t target,
				   float by)
{
	float m = largest(logits, n), x = logits[target];
	double sum = sum_exp(logits, logits, n, m);

	scale(logits, (float)(by / sum), n);
	logits[target] -= by;
	return math_log64(sum) + m - x;
}
