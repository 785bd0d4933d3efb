#include "kernel/nf4.h"

#include "base/half.h"

const float nf4_book[16] = {
	-1.0f, -0.6961928009986877f, -0.5250730514526367f,
	-0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
	-0.09105003625154495f, 0.0f, 0.07958029955625534f,
	0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
	0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f,
};

const float nf4_bound[15] = {
	-0.8480964004993439f, -0.6106329262256622f, -0.4599952697753906f,
	-0.33967943489551544f, -0.23460740596055984f, -0.13791173323988914f,
	-0.045525018125772476f, 0.03979014977812767f, 0.1202552504837513f,
	0.2035212516784668f, 0.2920137718319893f, 0.3893125355243683f,
	0.5016634166240692f, 0.6427869200706482f, 0.8614784181118011f,
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
