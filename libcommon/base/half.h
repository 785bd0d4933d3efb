/*
 * half - bf16 and f16 to f32 and back, round to nearest, ties to even
 *
 * NaN stays a quiet NaN. The f16 forms are plain C with the results of the
 * F16C instructions.
 */
#ifndef BASE_HALF_H
#define BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float f32_from_bits(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static inline uint32_t f32_bits(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

static inline float f32_from_bf16(uint16_t h)
{
	return f32_from_bits((uint32_t)h << 16);
}

static inline uint16_t bf16_from_f32(float x)
{
	uint32_t u = f32_bits(x);

	if ((u & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(u >> 16 | 0x40);
	return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline float f32_from_f16(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16;
	uint32_t mag = h & 0x7fff;

	if (mag >= 0x7c00) /* infinity, NaN (made quiet) */
		return f32_from_bits(sign | 0x7f800000 | (mag & 0x3ff) << 13 |
				     (mag > 0x7c00 ? 0x400000 : 0));
	if (mag < 0x400) { /* zero, subnormal: mag * 2^-24, exactly */
		float x = (float)mag * 0x1p-24f;

		return f32_from_bits(f32_bits(x) | sign);
	}
	return f32_from_bits(sign | ((mag << 13) + (112u << 23)));
}

static inline uint16_t f16_from_f32(float x)
{
	uint32_t u = f32_bits(x), sign = u >> 16 & 0x8000;

	u &= 0x7fffffff;
	if (u > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | (u >> 13 & 0x3ff));
	if (u >= 0x477ff000) /* 65520 and above round to infinity */
		return (uint16_t)(sign | 0x7c00);
	if (u < 0x38800000) /* below 2^-14: let an addition do the rounding */
		return (uint16_t)(sign | (f32_bits(f32_from_bits(u) + 0.5f) -
					  0x3f000000));
	u += 0xfff + (u >> 13 & 1);
	return (uint16_t)(sign | (u - (112u << 23)) >> 13);
}

#endif
