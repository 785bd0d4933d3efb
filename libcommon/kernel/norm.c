#include "kernel/norm.h"

#include "kernel/lanes.h"

#include <math.h>

void rmsnorm_c(float *y, size_t ystride, float *rrms, const float *x,
	       size_t xstride, const float *gain, float eps, size_t n, size_t d)
{
	for (size_t row = 0; row < n; row++, y += ystride, x += xstride) {
		float lane[LANES] = { 0 }, r;

		for (size_t i = 0; i < d; i++)
			lane[i % LANES] = fmaf(x[i], x[i], lane[i % LANES]);
		r = 1 / sqrtf(lanes_sum(lane) / (float)d + eps);
		for (size_t i = 0; i < d; i++)
			y[i] = x[i] * r * gain[i];
		if (rrms)
			rrms[row] = r;
	}
}

void rmsnorm_backward_c(float *dx, size_t dxstride, int add, float *dgain,
			const float *dy, size_t dystride, const float *x,
			size_t xstride, const float *gain, const float *rrms,
			size_t n, size_t d)
{
	for (size_t row = 0; row < n; row++) {
		float lane[LANES] = { 0 }, r = rrms[row], c;

		for (size_t i = 0; i < d; i++)
			lane[i % LANES] = fmaf(gain[i] * dy[i], x[i],
					       lane[i % LANES]);
		c = lanes_sum(lane) / (float)d * r * r;
		for (size_t i = 0; i < d; i++) {
			float g = dy[i], h = x[i];
			float v = fmaf(-c, h, gain[i] * g) * r;

			if (dgain)
				dgain[i] = fmaf(g, h * r, dgain[i]);
			dx[i] = add ? dx[i] + v : v;
		}
		dx += dxstride;
		dy += dystride;
		x += xstride;
	}
}

void layernorm_c(float *y, size_t ystride, float *stats, const float *x,
		 size_t xstride, const float *gain, const float *bias,
		 float eps, size_t n, size_t d)
{
	for (size_t row = 0; row < n; row++, y += ystride, x += xstride) {
		float sum[LANES] = { 0 }, lane[LANES] = { 0 }, m, r;

		for (size_t i = 0; i < d; i++)
			sum[i % LANES] += x[i];
		m = lanes_sum(sum) / (float)d;
		for (size_t i = 0; i < d; i++) {
			float c = x[i] - m;

			lane[i % LANES] = fmaf(c, c, lane[i % LANES]);
		}
		r = 1 / sqrtf(lanes_sum(lane) / (float)d + eps);
		for (size_t i = 0; i < d; i++) {
			float z = (x[i] - m) * r;

			y[i] = bias ? fmaf(z, gain[i], bias[i]) : z * gain[i];
		}
		if (stats) {
			stats[2 * row] = m;
			stats[2 * row + 1] = r;
		}
	}
}

void layernorm_backward_c(float *dx, size_t dxstride, int add, float *dgain,
			  float *dbias, const float *dy, size_t dystride,
			  const float *x, size_t xstride, const float *gain,
			  const float *stats, size_t n, size_t d)
{
	for (size_t row = 0; row < n; row++) {
		float sum[LANES] = { 0 }, lane[LANES] = { 0 }, a, b;
		float m = stats[2 * row], r = stats[2 * row + 1];

		for (size_t i = 0; i < d; i++) {
			float h = gain[i] * dy[i];

			sum[i % LANES] += h;
			lane[i % LANES] = fmaf(h, (x[i] - m) * r,
					       lane[i % LANES]);
		}
		a = lanes_sum(sum) / (float)d;
		b = lanes_sum(lane) / (float)d;
		for (size_t i = 0; i < d; i++) {
			float g = dy[i], z = (x[i] - m) * r;
			float v = fmaf(-b, z, gain[i] * g - a) * r;

			if (dgain)
				dgain[i] = fmaf(g, z, dgain[i]);
			if (dbias)
				dbias[i] += g;
			dx[i] = add ? dx[i] + v : v;
		}
		dx += dxstride;
		dy += dystride;
		x += xstride;
	}
}
