#include "kernel/convert.h"

#include "base/half.h"

#include <immintrin.h>

static inline __m128i load16(const uint16_t *p)
{
	return _mm_loadu_si128((const __m128i *)p);
}

void bf16_to_f32_avx2(float *dst, const uint16_t *src, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m256i u = _mm256_cvtepu16_epi32(load16(src + i));

		_mm256_storeu_si256((__m256i *)(dst + i),
				    _mm256_slli_epi32(u, 16));
	}
	for (; i < n; i++)
		dst[i] = f32_from_bf16(src[i]);
}

void f32_to_bf16_avx2(uint16_t *dst, const float *src, size_t n)
{
	const __m256i one = _mm256_set1_epi32(1);
	const __m256i half = _mm256_set1_epi32(0x7fff);
	const __m256i quiet = _mm256_set1_epi32(0x400000);
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m256 x = _mm256_loadu_ps(src + i);
		__m256i u = _mm256_castps_si256(x), odd, nan;

		odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), one);
		odd = _mm256_add_epi32(u, _mm256_add_epi32(odd, half));
		nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
		u = _mm256_blendv_epi8(odd, _mm256_or_si256(u, quiet), nan);
		u = _mm256_srli_epi32(u, 16);
		u = _mm256_packus_epi32(u, u);
		u = _mm256_permute4x64_epi64(u, 0x08);
		_mm_storeu_si128((__m128i *)(dst + i),
				 _mm256_castsi256_si128(u));
	}
	for (; i < n; i++)
		dst[i] = bf16_from_f32(src[i]);
}

void f16_to_f32_avx2(float *dst, const uint16_t *src, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		_mm256_storeu_ps(dst + i, _mm256_cvtph_ps(load16(src + i)));
	for (; i < n; i++)
		dst[i] = f32_from_f16(src[i]);
}

void f32_to_f16_avx2(uint16_t *dst, const float *src, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		_mm_storeu_si128((__m128i *)(dst + i),
				 _mm256_cvtps_ph(_mm256_loadu_ps(src + i),
						 _MM_FROUND_TO_NEAREST_INT));
	for (; i < n; i++)
		dst[i] = f16_from_f32(src[i]);
}
