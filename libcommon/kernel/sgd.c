#include "kernel/sgd.h"

#include <math.h>

void sgd_c(const struct sgd *s, float *p, float *b, const float *g, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float d = fmaf(s->weight_decay, p[i], s->scale * g[i]);

		if (b) {
			if (!s->first)
				d = fmaf(s->momentum, b[i], d);
			b[i] = d;
		}
		p[i] = fmaf(-s->lr, d, p[i]);
	}
}
