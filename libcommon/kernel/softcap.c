#include "kernel/softcap.h"

#include "base/math.h"

#include <math.h>

void softcap_c(float *y, const float *x, float cap, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] = cap * math_tanh(x[i] / cap);
}

void softcap_backward_c(float *dx, int add, const float *y, const float *dy,
			float cap, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float t = y[i] / cap, d = dy[i] * fmaf(-t, t, 1);

		dx[i] = add ? dx[i] + d : d;
	}
}
