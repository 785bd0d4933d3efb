#include "kernel/dropout.h"

void dropout_c(float *y, int add, const float *x, size_t n, struct rng r,
	       uint32_t pos, float p)
{
	float up = 1 / (1 - p);
	uint32_t word[4];

	for (size_t i = 0; i < n; i++) {
		float u, v;

		if (i % 4 == 0)
			rng_words(r, (uint64_t)pos << 32 | i / 4, word);
		u = (float)(word[i % 4] >> 8) * 0x1p-24f;
		v = u < p ? 0 : x[i] * up;
		y[i] = add ? y[i] + v : v;
	}
}
