/* norm_x16 - norm.c in sixteen lanes; kernel/x16_avx2.h says how */
#ifndef KERNEL_NORM_X16_H
#define KERNEL_NORM_X16_H

#include "kernel/norm.h"

/* ---- RMSNorm ---- */

/* Lanes that are off add +0 to a sum that is not negative. */
static float squares(const float *x, size_t d)
{
	x16 sum = x16_set(0);

	for (size_t i = 0; i < d; i += 16) {
		x16 v = x16_load(x + i, d - i);

		sum = x16_fma(v, v, sum);
	}
	return x16_sum(sum);
}

void X16(rmsnorm)(float *y, size_t ystride, float *rrms, const float *x,
		  size_t xstride, const float *gain, float eps, size_t n,
		  size_t d)
{
	for (size_t row = 0; row < n; row++, y += ystride, x += xstride) {
		float r = 1 / sqrtf(squares(x, d) / (float)d + eps);
		const x16 by = x16_set(r);

		for (size_t i = 0; i < d; i += 16) {
			x16 v = x16_mul(x16_load(x + i, d - i), by);

			v = x16_mul(v, x16_load(gain + i, d - i));
			x16_store(y + i, d - i, v);
		}
		if (rrms)
			rrms[row] = r;
	}
}

/* The sum of gain dy x. */
static float project(const float *gain, const float *dy, const float *x,
		     size_t d)
{
	x16 sum = x16_set(0);

	for (size_t i = 0; i < d; i += 16) {
		size_t left = d - i;
		x16 h = x16_mul(x16_load(gain + i, left),
				x16_load(dy + i, left));

		h = x16_fma(h, x16_load(x + i, left), sum);
		sum = x16_keep(sum, h, left);
	}
	return x16_sum(sum);
}

/* dx = v, or dx += v. */
INLINE void put(float *dx, int add, x16 v, size_t left)
{
	if (add)
		v = x16_add(x16_load(dx, left), v);
	x16_store(dx, left, v);
}

/* One row; dgain NULL: not wanted. */
static inline void rms_back(float *dx, int add, float *dgain, const float *dy,
			    const float *x, const float *gain, float r,
			    size_t d)
{
	float c = project(gain, dy, x, d) / (float)d * r * r;
	const x16 by = x16_set(r), minus = x16_set(-c);

	for (size_t i = 0; i < d; i += 16) {
		size_t left = d - i;
		x16 g = x16_load(dy + i, left), h = x16_load(x + i, left);
		x16 v = x16_mul(x16_load(gain + i, left), g);

		v = x16_mul(x16_fma(minus, h, v), by);
		if (dgain)
			x16_store(dgain + i, left,
				  x16_fma(g, x16_mul(h, by),
					  x16_load(dgain + i, left)));
		put(dx + i, add, v, left);
	}
}

void X16(rmsnorm_backward)(float *dx, size_t dxstride, int add, float *dgain,
			   const float *dy, size_t dystride, const float *x,
			   size_t xstride, const float *gain,
			   const float *rrms, size_t n, size_t d)
{
	for (size_t row = 0; row < n; row++) {
		rms_back(dx, add, dgain, dy, x, gain, rrms[row], d);
		dx += dxstride;
		dy += dystride;
		x += xstride;
	}
}

/* ---- LayerNorm ---- */

static float mean(const float *x, size_t d)
{
	x16 sum = x16_set(0);

	for (size_t i = 0; i < d; i += 16)
		sum = x16_add(sum, x16_load(x + i, d - i));
	return x16_sum(sum) / (float)d;
}

static float variance(const float *x, float m, size_t d)
{
	const x16 middle = x16_set(m);
	x16 sum = x16_set(0);

	for (size_t i = 0; i < d; i += 16) {
		x16 c = x16_sub(x16_load(x + i, d - i), middle);

		sum = x16_keep(sum, x16_fma(c, c, sum), d - i);
	}
	return x16_sum(sum) / (float)d;
}

void X16(layernorm)(float *y, size_t ystride, float *stats, const float *x,
		    size_t xstride, const float *gain, const float *bias,
		    float eps, size_t n, size_t d)
{
	for (size_t row = 0; row < n; row++, y += ystride, x += xstride) {
		float m = mean(x, d), r = 1 / sqrtf(variance(x, m, d) + eps);
		const x16 middle = x16_set(m), by = x16_set(r);

		for (size_t i = 0; i < d; i += 16) {
			size_t left = d - i;
			x16 z = x16_sub(x16_load(x + i, left), middle);
			x16 g = x16_load(gain + i, left);

			z = x16_mul(z, by);
			z = bias ? x16_fma(z, g, x16_load(bias + i, left)) :
				   x16_mul(z, g);
			x16_store(y + i, left, z);
		}
		if (stats) {
			stats[2 * row] = m;
			stats[2 * row + 1] = r;
		}
	}
}

/* A row of x less its mean, over its deviation. */
struct normal {
	x16 middle, by;
};

INLINE x16 normal_load(const struct normal *s, const float *x, size_t left)
{
	return x16_mul(x16_sub(x16_load(x, left), s->middle), s->by);
}

/* The means of gain dy, and of gain dy z. */
static void means(float mean[2], const struct normal *s, const float *gain,
		  const float *dy, const float *x, size_t d)
{
	x16 sum = x16_set(0), along = sum;

	for (size_t i = 0; i < d; i += 16) {
		size_t left = d - i;
		x16 h = x16_mul(x16_load(gain + i, left),
				x16_load(dy + i, left));
		x16 z = normal_load(s, x + i, left);

		sum = x16_add(sum, h);
		along = x16_keep(along, x16_fma(h, z, along), left);
	}
	mean[0] = x16_sum(sum) / (float)d;
	mean[1] = x16_sum(along) / (float)d;
}

/* dgain and dbias, each unless NULL, go on by a row. */
INLINE void add_row(float *dgain, float *dbias, x16 g, x16 z, size_t left)
{
	if (dgain)
		x16_store(dgain, left, x16_fma(g, z, x16_load(dgain, left)));
	if (dbias)
		x16_store(dbias, left, x16_add(x16_load(dbias, left), g));
}

void X16(layernorm_backward)(float *dx, size_t dxstride, int add, float *dgain,
			     float *dbias, const float *dy, size_t dystride,
			     const float *x, size_t xstride, const float *gain,
			     const float *stats, size_t n, size_t d)
{
	for (size_t row = 0; row < n; row++) {
		struct normal s = { x16_set(stats[2 * row]),
				    x16_set(stats[2 * row + 1]) };
		float m[2];

		means(m, &s, gain, dy, x, d);
		for (size_t i = 0; i < d; i += 16) {
			size_t left = d - i;
			x16 g = x16_load(dy + i, left), v;
			x16 z = normal_load(&s, x + i, left);

			v = x16_mul(x16_load(gain + i, left), g);
			v = x16_sub(v, x16_set(m[0]));
			v = x16_mul(x16_fma(x16_set(-m[1]), z, v), s.by);
			add_row(dgain ? dgain + i : NULL,
				dbias ? dbias + i : NULL, g, z, left);
			put(dx + i, add, v, left);
		}
		dx += dxstride;
		dy += dystride;
		x += xstride;
	}
}

#endif
