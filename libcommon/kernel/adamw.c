#include "kernel/adamw.h"

#include "base/math.h"

#include <math.h>

struct adamw adamw_at(double lr, double beta1, double beta2, double eps,
		      double weight_decay, uint64_t t)
{
	double bc1 = 1 - math_pow64(beta1, (double)t);
	double bc2 = 1 - math_pow64(beta2, (double)t);

	return (struct adamw){
		.scale = 1,
		.decay = (float)(1 - lr * weight_decay),
		.rate1 = (float)(1 - beta1),
		.beta2 = (float)beta2,
		.rate2 = (float)(1 - beta2),
		.root2 = (float)sqrt(bc2),
		.eps = (float)eps,
		.step = (float)(-lr / bc1),
	};
}

void adamw_c(const struct adamw *a, float *p, float *m, float *v,
	     const float *g, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float s = g[i] * a->scale, denom;

		m[i] = fmaf(a->rate1, s - m[i], m[i]);
		v[i] = fmaf(a->rate2 * s, s, v[i] * a->beta2);
		denom = sqrtf(v[i]) / a->root2 + a->eps;
		p[i] = p[i] * a->decay + a->step * m[i] / denom;
	}
}
