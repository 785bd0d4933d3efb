#include "kernel/convert.h"

#include <immintrin.h>

void f32_to_bf16_avx512(uint16_t *dst, const float *src, size_t n)
{
	const __m512i one = _mm512_set1_epi32(1);
	const __m512i half = _mm512_set1_epi32(0x7fff);
	const __m512i quiet = _mm512_set1_epi32(0x400000);
	size_t i = 0;

	for (; i + 16 <= n; i += 16) {
		__m512 x = _mm512_loadu_ps(src + i);
		__m512i u = _mm512_castps_si512(x), odd;

		odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), one);
		odd = _mm512_add_epi32(u, _mm512_add_epi32(odd, half));
		u = _mm512_mask_mov_epi32(
			odd, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q),
			_mm512_or_si512(u, quiet));
		_mm256_storeu_si256((__m256i *)(dst + i),
				    _mm512_cvtepi32_epi16(
					    _mm512_srli_epi32(u, 16)));
	}
	f32_to_bf16_avx2(dst + i, src + i, n - i);
}

void f32_to_f16_avx512(uint16_t *dst, const float *src, size_t n)
{
	size_t i = 0;

	for (; i + 16 <= n; i += 16)
		_mm256_storeu_si256((__m256i *)(dst + i),
				    _mm512_cvtps_ph(_mm512_loadu_ps(src + i),
						    _MM_FROUND_TO_NEAREST_INT));
	f32_to_f16_avx2(dst + i, src + i, n - i);
}
