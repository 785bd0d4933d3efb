/* emu_bf16 - the instructions of AVX512_BF16, for immintrin.h here */
#ifndef EMU512_EMU_BF16_H
#define EMU512_EMU_BF16_H

/* AVX512_BF16: denormal numbers are zeros, in and out; the odd factors come
 * first. Where a result is at the edge of the normal numbers, it is rounded
 * once more from a place where there is none. */
typedef uint32_t emu_u32x8 __attribute__((vector_size(32)));
typedef int16_t emu_i16x8 __attribute__((vector_size(16)));
typedef int16_t emu_i16x32 __attribute__((vector_size(64)));

static inline float emu_flush(float x)
{
	return fabsf(x) < 0x1p-126f ? 0 * x : x;
}

static inline float emu_multiply_add(float a, float b, float c)
{
	float sum = fmaf(a, b, c);

	if (!(fabsf(sum) <= 0x1p-126f))
		return sum;
	c *= 0x1p64f;
	sum = fabsf(a) < fabsf(b) ? fmaf(a * 0x1p64f, b, c) :
				    fmaf(a, b * 0x1p64f, c);
	return fabsf(sum) < 0x1p-62f ? 0 * sum : sum * 0x1p-64f;
}

static inline float emu_half(uint32_t pair, int odd)
{
	float x;

	pair = odd ? pair & 0xffff0000 : pair << 16;
	memcpy(&x, &pair, sizeof(x));
	return emu_flush(x);
}

static inline float emu_dot2(float sum, uint32_t a, uint32_t b)
{
	sum = emu_multiply_add(emu_half(a, 1), emu_half(b, 1), emu_flush(sum));
	return emu_multiply_add(emu_half(a, 0), emu_half(b, 0), sum);
}

static inline int16_t emu_bf16(float x)
{
	uint32_t u;

	x = emu_flush(x);
	memcpy(&u, &x, sizeof(u));
	if (x != x)
		return (int16_t)(u >> 16 | 0x40);
	return (int16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* clang-format off */
PS(_dpbf16_ps, (__m512 s, __m512bh a, __m512bh b),
   emu_dot2(s[i], U32(a), U32(b)))
EMU(__m256, __m256, 8, _dpbf16_ps8, (__m256 s, __m256bh a, __m256bh b),
    emu_dot2(s[i], ((emu_u32x8)a)[i], ((emu_u32x8)b)[i]))
EMU(__m128bh, emu_i16x8, 8, _cvtneps_pbh8, (__m256 a), emu_bf16(a[i]))
EMU(__m512bh, emu_i16x32, 32, _cvtne2ps_pbh, (__m512 a, __m512 b),
    emu_bf16(i < 16 ? b[i & 15] : a[i & 15]))
EMU(__m512i, emu_i16x32, 32, _permutexvar_epi16, (__m512i at, __m512i a),
    ((emu_i16x32)a)[((emu_i16x32)at)[i] & 31])
/* clang-format on */

#undef _mm512_dpbf16_ps
#define _mm512_dpbf16_ps emu_dpbf16_ps
#undef _mm256_dpbf16_ps
#define _mm256_dpbf16_ps emu_dpbf16_ps8
#undef _mm256_cvtneps_pbh
#define _mm256_cvtneps_pbh emu_cvtneps_pbh8
#undef _mm512_cvtne2ps_pbh
#define _mm512_cvtne2ps_pbh emu_cvtne2ps_pbh
#undef _mm512_permutexvar_epi16
#define _mm512_permutexvar_epi16 emu_permutexvar_epi16

#endif
