#include "kernel/rope.h"

#include "base/math.h"

#include <math.h>

static void rotate(float *a, float *b, const float *cos, const float *sin,
		   float sign, size_t half)
{
	for (size_t i = 0; i < half; i++) {
		float s = sign * sin[i], x = a[i], y = b[i];

		a[i] = fmaf(-y, s, x * cos[i]);
		b[i] = fmaf(x, s, y * cos[i]);
	}
}

void rope_c(const struct rope *r, float *x, size_t stride, const uint32_t *pos,
	    size_t n, int inverse)
{
	for (size_t row = 0; row < n; row++, x += stride) {
		size_t at = pos[row] * r->half;

		for (size_t h = 0; h < r->heads; h++) {
			float *head = x + h * r->head_dim;

			rotate(head, head + r->half, r->cos + at, r->sin + at,
			       inverse ? -1 : 1, r->half);
		}
	}
}

static void rotate_pairs(float *x, const float *cos, const float *sin,
			 float sign, size_t half)
{
	for (size_t i = 0; i < half; i++, x += 2) {
		float s = sign * sin[i], a = x[0], b = x[1];

		x[0] = fmaf(-b, s, a * cos[i]);
		x[1] = fmaf(a, s, b * cos[i]);
	}
}

void rope_pairs(const struct rope *r, float *x, size_t stride,
		const uint32_t *pos, size_t n, int inverse)
{
	for (size_t row = 0; row < n; row++, x += stride) {
		size_t at = pos[row] * r->half;

		for (size_t h = 0; h < r->heads; h++)
			rotate_pairs(x + h * r->head_dim, r->cos + at,
				     r->sin + at, inverse ? -1 : 1, r->half);
	}
}

void rope_table(float *cos, float *sin, size_t positions, const float *freq,
		size_t half, float scale)
{
	for (size_t p = 0; p < positions; p++)
		for (size_t i = 0; i < half; i++) {
			float angle = (float)p * freq[i];

			*cos++ = (float)(scale * math_cos64(angle));
			*sin++ = (float)(scale * math_sin64(angle));
		}
}
