#include "kernel/convert.h"

#include "base/half.h"

void bf16_to_f32_c(float *dst, const uint16_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = f32_from_bf16(src[i]);
}

void f32_to_bf16_c(uint16_t *dst, const float *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = bf16_from_f32(src[i]);
}

void f16_to_f32_c(float *dst, const uint16_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = f32_from_f16(src[i]);
}

void f32_to_f16_c(uint16_t *dst, const float *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = f16_from_f32(src[i]);
}
