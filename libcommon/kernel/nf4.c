#include "kernel/nf4.h"

#include "base/half.h"

const float nf4_bound[15] = {
	-0.84809637f, -0.6106329f, -0.45999527f, -0.33967942f, -0.2346074f,
	-0.13791174f, -0.045525018f, 0.03979015f, 0.12025525f, 0.20352125f,
	0.29201376f, 0.38931254f, 0.50166345f, 0.6427869f, 0.86147845f,
};

unsigned nf4_code(float v)
{
	unsigned code = 0;

	for (unsigned i = 0; i < 15; i++)
		code += v > nf4_bound[i];
	return code;
}

/* Magnitudes compare as their bits do, and NaN is the largest of all. */
static float largest(const float *x, size_t n)
{
	uint32_t most = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t bits = f32_bits(x[i]) & 0x7fffffff;

		most = bits > most ? bits : most;
	}
	return f32_from_bits(most);
}

void nf4_encode_c(uint8_t *code, float *absmax, const float *x, size_t nblock,
		  size_t block, float least)
{
	for (size_t b = 0; b < nblock; b++, x += block) {
		float top = largest(x, block);
		float by = 1.0f / (top < least ? least : top);

		absmax[b] = top;
		for (size_t i = 0; i < block; i += 2)
			*code++ = (uint8_t)(nf4_code(x[i] * by) << 4 |
					    nf4_code(x[i + 1] * by));
	}
}

float nf4_encode_tail(uint8_t *code, const float *x, size_t n, int divide)
{
	float top = largest(x, n), by;

	if (divide && top < NF4_LEAST)
		top = NF4_LEAST;
	by = 1.0f / top;
	for (size_t i = 0; i < n; i += 2) {
		float a = x[i], b = i + 1 < n ? x[i + 1] : 0;

		*code++ = (uint8_t)(nf4_code(divide ? a / top : a * by) << 4 |
				    nf4_code(divide ? b / top : b * by));
	}
	return top;
}
