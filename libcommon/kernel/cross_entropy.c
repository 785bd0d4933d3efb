#include "kernel/cross_entropy.h"

#include "base/math.h"
#include "base/size.h"
#include "kernel/lanes.h"

#include <math.h>

enum { BLOCK = 256 };

static float largest(const float *x, size_t n)
{
	float m = -INFINITY;

	for (size_t i = 0; i < n; i++)
		m = x[i] > m ? x[i] : m;
	return m;
}

/* The sum of exp(x - m); the exponentials also to e, unless it is NULL. */
static double sum_exp(float *e, const float *x, size_t n, float m)
{
	double total[LANES] = { 0 };

	for (size_t at = 0; at < n; at += BLOCK) {
		size_t end = size_min(at + BLOCK, n);
		float lane[LANES] = { 0 };

		for (size_t i = at; i < end; i++) {
			float v = math_exp(x[i] - m);

			lane[i % LANES] += v;
			if (e)
				e[i] = v;
		}
		for (size_t i = 0; i < LANES; i++)
			total[i] += lane[i];
	}
	return lanes_sum64(total);
}

double cross_entropy_c(const float *logits, size_t n, size_t target)
{
	float m = largest(logits, n);

	return math_log64(sum_exp(NULL, logits, n, m)) + m - logits[target];
}

double cross_entropy_backward_c(float *logits, size_t n, size_t target,
				float scale)
{
	float m = largest(logits, n), x = logits[target], inverse;
	double sum = sum_exp(logits, logits, n, m);

	inverse = (float)(scale / sum);
	for (size_t i = 0; i < n; i++)
		logits[i] *= inverse;
	logits[target] -= scale;
	return math_log64(sum) + m - x;
}
