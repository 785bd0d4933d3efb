#include "kernel/norm.h"

#include "kernel/lanes_avx2.h"

/* A register of x, whole or (at the end of a row) the lanes in mask. */
static inline __m256 load(const float *x, size_t left, __m256i mask)
{
	return left >= 8 ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, mask);
}

static inline void store(float *y, size_t left, __m256i mask, __m256 v)
{
	if (left >= 8)
		_mm256_storeu_ps(y, v);
	else
		_mm256_maskstore_ps(y, mask, v);
}

static float squares(const float *x, size_t d)
{
	__m256 low = _mm256_setzero_ps(), high = low, a, b;
	size_t i = 0;

	for (; i + 16 <= d; i += 16) {
		a = _mm256_loadu_ps(x + i);
		b = _mm256_loadu_ps(x + i + 8);
		low = _mm256_fmadd_ps(a, a, low);
		high = _mm256_fmadd_ps(b, b, high);
	}
	/* Lanes that are off add +0 to a sum that is not negative. */
	a = _mm256_maskload_ps(x + i, mask8_at(d - i, 0));
	b = _mm256_maskload_ps(x + i + 8, mask8_at(d - i, 8));
	return sum16(_mm256_fmadd_ps(a, a, low), _mm256_fmadd_ps(b, b, high));
}

void rmsnorm_avx2(float *y, size_t ystride, float *rrms, const float *x,
		  size_t xstride, const float *gain, float eps, size_t n,
		  size_t d)
{
	const __m256i last = mask8(d % 8);

	for (size_t row = 0; row < n; row++, y += ystride, x += xstride) {
		float r = 1 / sqrtf(squares(x, d) / (float)d + eps);
		const __m256 by = _mm256_set1_ps(r);

		for (size_t i = 0; i < d; i += 8) {
			__m256 v = _mm256_mul_ps(load(x + i, d - i, last), by);
			__m256 g = load(gain + i, d - i, last);

			store(y + i, d - i, last, _mm256_mul_ps(v, g));
		}
		if (rrms)
			rrms[row] = r;
	}
}

/* The sum of gain dy x. */
static float project(const float *gain, const float *dy, const float *x,
		     size_t d)
{
	__m256 sum[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
	size_t i = 0;

	for (; i + 16 <= d; i += 16)
		for (size_t j = 0; j < 2; j++) {
			size_t at = i + 8 * j;
			__m256 h = _mm256_mul_ps(_mm256_loadu_ps(gain + at),
						 _mm256_loadu_ps(dy + at));

			sum[j] = _mm256_fmadd_ps(h, _mm256_loadu_ps(x + at),
						 sum[j]);
		}
	for (size_t j = 0; j < 2; j++) {
		__m256i m = mask8_at(d - i, 8 * j);
		size_t at = i + 8 * j;
		__m256 h = _mm256_mul_ps(_mm256_maskload_ps(gain + at, m),
					 _mm256_maskload_ps(dy + at, m));

		h = _mm256_fmadd_ps(h, _mm256_maskload_ps(x + at, m), sum[j]);
		sum[j] = keep(sum[j], h, m);
	}
	return sum16(sum[0], sum[1]);
}

/* One row; dgain NULL: not wanted. */
static inline void backward_row(float *dx, int add, float *dgain,
				const float *dy, const float *x,
				const float *gain, float r, size_t d)
{
	const __m256i last = mask8(d % 8);
	float c = project(gain, dy, x, d) / (float)d * r * r;
	const __m256 by = _mm256_set1_ps(r), minus = _mm256_set1_ps(-c);

	for (size_t i = 0; i < d; i += 8) {
		__m256 g = load(dy + i, d - i, last), v;
		__m256 h = load(x + i, d - i, last);

		v = _mm256_mul_ps(load(gain + i, d - i, last), g);
		v = _mm256_mul_ps(_mm256_fmadd_ps(minus, h, v), by);
		if (dgain) {
			__m256 s = load(dgain + i, d - i, last);

			s = _mm256_fmadd_ps(g, _mm256_mul_ps(h, by), s);
			store(dgain + i, d - i, last, s);
		}
		if (add)
			v = _mm256_add_ps(load(dx + i, d - i, last), v);
		store(dx + i, d - i, last, v);
	}
}

void rmsnorm_backward_avx2(float *dx, size_t dxstride, int add, float *dgain,
			   const float *dy, size_t dystride, const float *x,
			   size_t xstride, const float *gain,
			   const float *rrms, size_t n, size_t d)
{
	for (size_t row = 0; row < n; row++) {
		backward_row(dx, add, dgain, dy, x, gain, rrms[row], d);
		dx += dxstride;
		dy += dystride;
		x += xstride;
	}
}
