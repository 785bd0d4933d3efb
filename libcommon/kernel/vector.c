#include "kernel/vector.h"

#include "base/math.h"
#include "kernel/lanes.h"

#include <math.h>

void vexp_c(float *y, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = math_exp(x[i]);
}

void vadd_c(float *y, const float *a, const float *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = a[i] + b[i];
}

void vscale_c(float *y, const float *x, float s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = s * x[i];
}

void vaxpy_c(float *y, float s, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = fmaf(s, x[i], y[i]);
}

double sum_squares_c(const float *x, size_t n)
{
	double lane[LANES] = { 0 };

	for (size_t i = 0; i < n; i++)
		lane[i % LANES] = fma(x[i], x[i], lane[i % LANES]);
	return lanes_sum64(lane);
}
