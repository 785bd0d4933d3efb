#include "kernel/norm.h"

#include "kernel/lanes_avx512.h"

/* Lanes that are off add +0 to a sum that is not negative. */
static float squares(const float *x, size_t d)
{
	__m512 sum = _mm512_setzero_ps();

	for (size_t i = 0; i < d; i += 16) {
		__m512 v = load16(x + i, d - i);

		sum = _mm512_fmadd_ps(v, v, sum);
	}
	return sum16(sum);
}

void rmsnorm_avx512(float *y, size_t ystride, float *rrms, const float *x,
		    size_t xstride, const float *gain, float eps, size_t n,
		    size_t d)
{
	for (size_t row = 0; row < n; row++, y += ystride, x += xstride) {
		float r = 1 / sqrtf(squares(x, d) / (float)d + eps);
		const __m512 by = _mm512_set1_ps(r);

		for (size_t i = 0; i < d; i += 16) {
			__m512 v = _mm512_mul_ps(load16(x + i, d - i), by);

			v = _mm512_mul_ps(v, load16(gain + i, d - i));
			store16(y + i, d - i, v);
		}
		if (rrms)
			rrms[row] = r;
	}
}

/* The sum of gain dy x. */
static float project(const float *gain, const float *dy, const float *x,
		     size_t d)
{
	__m512 sum = _mm512_setzero_ps();

	for (size_t i = 0; i < d; i += 16) {
		__m512 h = _mm512_mul_ps(load16(gain + i, d - i),
					 load16(dy + i, d - i));

		sum = _mm512_mask3_fmadd_ps(h, load16(x + i, d - i), sum,
					    mask16(d - i));
	}
	return sum16(sum);
}

/* One row; dgain NULL: not wanted. */
static inline void backward_row(float *dx, int add, float *dgain,
				const float *dy, const float *x,
				const float *gain, float r, size_t d)
{
	float c = project(gain, dy, x, d) / (float)d * r * r;
	const __m512 by = _mm512_set1_ps(r), minus = _mm512_set1_ps(-c);

	for (size_t i = 0; i < d; i += 16) {
		__m512 g = load16(dy + i, d - i), h = load16(x + i, d - i), v;

		v = _mm512_mul_ps(load16(gain + i, d - i), g);
		v = _mm512_mul_ps(_mm512_fmadd_ps(minus, h, v), by);
		if (dgain)
			store16(dgain + i, d - i,
				_mm512_fmadd_ps(g, _mm512_mul_ps(h, by),
						load16(dgain + i, d - i)));
		if (add)
			v = _mm512_add_ps(load16(dx + i, d - i), v);
		store16(dx + i, d - i, v);
	}
}

void rmsnorm_backward_avx512(float *dx, size_t dxstride, int add, float *dgain,
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
