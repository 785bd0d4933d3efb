/*
 * immintrin - AVX-512 for machines that lack it: make O=... EMU512=1
 *
 * Stands before the compiler's own header, which it includes. An intrinsic is
 * an expression for lane i of what it returns, after Intel's pseudocode; those
 * up to AVX2 are the real ones. So the _avx512.c files run, slowly, where only
 * AVX2 is there: this checks what they compute, not the machine. Lanes that
 * the manual leaves undefined have a value that spoils what they touch.
 *
 * Only what the files use is here. A new one: a line, and one in the list.
 */
#ifndef EMU512_IMMINTRIN_H
#define EMU512_IMMINTRIN_H

#include_next <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef int32_t emu_i32 __attribute__((vector_size(64)));
typedef uint32_t emu_u32 __attribute__((vector_size(64)));
typedef uint64_t emu_u64 __attribute__((vector_size(64)));
typedef int16_t emu_i16 __attribute__((vector_size(32)));
typedef int8_t emu_i8 __attribute__((vector_size(16)));
typedef int8_t emu_bytes __attribute__((vector_size(64)));

/* The lanes of a __m512i. */
#define I32(a) (((emu_i32)(a))[i])
#define U32(a) (((emu_u32)(a))[i])
#define U64(a) (((emu_u64)(a))[i])

#define EMU(type, lane, n, name, arguments, value)                    \
	static inline __attribute__((always_inline, unused)) type      \
	emu##name arguments                                            \
	{                                                              \
		lane r;                                                \
                                                                       \
		for (int i = 0; i < n; i++)                            \
			r[i] = value;                                  \
		return (type)r;                                        \
	}
#define PS(name, arguments, value) \
	EMU(__m512, __m512, 16, name, arguments, value)
#define PD(name, arguments, value) \
	EMU(__m512d, __m512d, 8, name, arguments, value)
#define D(name, arguments, value) \
	EMU(__m512i, emu_u32, 16, name, arguments, (uint32_t)(value))
#define Q(name, arguments, value) \
	EMU(__m512i, emu_u64, 8, name, arguments, (uint64_t)(value))
#define HALF(name, arguments, value) \
	EMU(__m256, __m256, 8, name, arguments, value)

#define UNDEFINED NAN
#define ON ((k >> i) & 1)

static inline float emu_f32(const void *p, int i)
{
	float x;

	memcpy(&x, (const float *)p + i, sizeof(x));
	return x;
}

static inline int emu_rounded(float x)
{
	return fabsf(x) < 0x1p31f ? (int)rintf(x) : INT32_MIN;
}

static inline int emu_cut(float x)
{
	return fabsf(x) < 0x1p31f ? (int)x : INT32_MIN;
}

/* clang-format off */
PS(_set1_ps, (float a), a)
PS(_setzero_ps, (void), 0)
PS(_loadu_ps, (const void *p), emu_f32(p, i))
PS(_maskz_loadu_ps, (__mmask16 k, const void *p), ON ? emu_f32(p, i) : 0)
PS(_mask_mov_ps, (__m512 s, __mmask16 k, __m512 a), ON ? a[i] : s[i])
PS(_maskz_mov_ps, (__mmask16 k, __m512 a), ON ? a[i] : 0)
PS(_mask_broadcastss_ps, (__m512 s, __mmask16 k, __m128 a), ON ? a[0] : s[i])
PS(_add_ps, (__m512 a, __m512 b), a[i] + b[i])
PS(_mask_add_ps, (__m512 s, __mmask16 k, __m512 a, __m512 b),
   ON ? a[i] + b[i] : s[i])
PS(_sub_ps, (__m512 a, __m512 b), a[i] - b[i])
PS(_mul_ps, (__m512 a, __m512 b), a[i] * b[i])
PS(_div_ps, (__m512 a, __m512 b), a[i] / b[i])
PS(_max_ps, (__m512 a, __m512 b), a[i] > b[i] ? a[i] : b[i])
PS(_min_ps, (__m512 a, __m512 b), a[i] < b[i] ? a[i] : b[i])
PS(_mask_max_ps, (__m512 s, __mmask16 k, __m512 a, __m512 b),
   !ON ? s[i] : a[i] > b[i] ? a[i] : b[i])
PS(_fmadd_ps, (__m512 a, __m512 b, __m512 c), fmaf(a[i], b[i], c[i]))
PS(_fnmadd_ps, (__m512 a, __m512 b, __m512 c), fmaf(-a[i], b[i], c[i]))
PS(_mask3_fmadd_ps, (__m512 a, __m512 b, __m512 c, __mmask16 k),
   ON ? fmaf(a[i], b[i], c[i]) : c[i])
PS(_unpacklo_ps, (__m512 a, __m512 b), (i & 1 ? b : a)[(i & ~3) + (i & 3) / 2])
PS(_unpackhi_ps, (__m512 a, __m512 b),
   (i & 1 ? b : a)[(i & ~3) + 2 + (i & 3) / 2])
PS(_shuffle_ps, (__m512 a, __m512 b, int m),
   (i & 2 ? b : a)[(i & ~3) + (m >> 2 * (i & 3) & 3)])
PS(_permutexvar_ps, (__m512i x, __m512 a), a[I32(x) & 15])
PS(_permutex2var_ps, (__m512 a, __m512i x, __m512 b),
   (I32(x) & 16 ? b : a)[I32(x) & 15])
PS(_insertf32x8, (__m512 a, __m256 b, int m), i / 8 == m ? b[i & 7] : a[i])
PS(_castps256_ps512, (__m256 a), i < 8 ? a[i & 7] : UNDEFINED)
PS(_roundscale_ps, (__m512 a, int m), ((void)m, rintf(a[i])))
PS(_xor_ps, (__m512 a, __m512 b), ((__m512)((emu_u32)a ^ (emu_u32)b))[i])
PS(_andnot_ps, (__m512 a, __m512 b), ((__m512)(~(emu_u32)a & (emu_u32)b))[i])
PS(_cvtepi32_ps, (__m512i a), (float)I32(a))
HALF(_castps512_ps256, (__m512 a), a[i])
HALF(_extractf32x8_ps, (__m512 a, int m), a[8 * m + i])

PD(_setzero_pd, (void), 0)
PD(_add_pd, (__m512d a, __m512d b), a[i] + b[i])
PD(_cvtps_pd, (__m256 a), (double)a[i])
EMU(__m256d, __m256d, 4, _castpd512_pd256, (__m512d a), a[i])
EMU(__m256d, __m256d, 4, _extractf64x4_pd, (__m512d a, int m), a[4 * m + i])

D(_set1_epi32, (int a), a)
D(_setzero_si512, (void), 0)
D(_setr_epi32, (int a, int b, int c, int d, int e, int f, int g, int h, int j,
   int l, int m, int n, int o, int p, int q, int s),
  ((int[]){ a, b, c, d, e, f, g, h, j, l, m, n, o, p, q, s })[i])
D(_loadu_si512, (const void *p), ((const __m256i_u *)p)[i / 8][i / 2 % 4] >>
  32 * (i & 1))
D(_add_epi32, (__m512i a, __m512i b), U32(a) + U32(b))
D(_mask_add_epi32, (__m512i s, __mmask16 k, __m512i a, __m512i b),
  ON ? U32(a) + U32(b) : U32(s))
D(_maskz_add_epi32, (__mmask16 k, __m512i a, __m512i b),
  ON ? U32(a) + U32(b) : 0)
D(_mask_mov_epi32, (__m512i s, __mmask16 k, __m512i a), ON ? U32(a) : U32(s))
D(_max_epi32, (__m512i a, __m512i b), I32(a) > I32(b) ? I32(a) : I32(b))
D(_and_si512, (__m512i a, __m512i b), U32(a) & U32(b))
D(_or_si512, (__m512i a, __m512i b), U32(a) | U32(b))
D(_xor_si512, (__m512i a, __m512i b), U32(a) ^ U32(b))
D(_slli_epi32, (__m512i a, unsigned n), n < 32 ? U32(a) << n : 0)
D(_srli_epi32, (__m512i a, unsigned n), n < 32 ? U32(a) >> n : 0)
D(_srlv_epi32, (__m512i a, __m512i n), U32(n) < 32 ? U32(a) >> U32(n) : 0)
D(_permutexvar_epi32, (__m512i x, __m512i a), ((emu_u32)a)[I32(x) & 15])
D(_permutex2var_epi32, (__m512i a, __m512i x, __m512i b),
  ((emu_u32)(I32(x) & 16 ? b : a))[I32(x) & 15])
D(_cvtepu8_epi32, (__m128i a), (uint8_t)((emu_i8)a)[i])
D(_cvtps_epi32, (__m512 a), emu_rounded(a[i]))
D(_cvttps_epi32, (__m512 a), emu_cut(a[i]))
D(_castps_si512, (__m512 a), U32(a))
EMU(__m512, emu_u32, 16, _castsi512_ps, (__m512i a), U32(a))
D(_unpacklo_epi32, (__m512i a, __m512i b),
  ((emu_u32)(i & 1 ? b : a))[(i & ~3) + (i & 3) / 2])
D(_unpackhi_epi32, (__m512i a, __m512i b),
  ((emu_u32)(i & 1 ? b : a))[(i & ~3) + 2 + (i & 3) / 2])
D(_shuffle_i32x4, (__m512i a, __m512i b, int m),
  ((emu_u32)(i < 8 ? a : b))[4 * (m >> 2 * (i / 4) & 3) + (i & 3)])
Q(_unpacklo_epi64, (__m512i a, __m512i b), (i & 1 ? b : a)[i & ~1])
Q(_unpackhi_epi64, (__m512i a, __m512i b), (i & 1 ? b : a)[i | 1])
Q(_mul_epu32, (__m512i a, __m512i b), (U64(a) & 0xffffffff) *
  (U64(b) & 0xffffffff))
Q(_slli_epi64, (__m512i a, unsigned n), n < 64 ? U64(a) << n : 0)
Q(_srli_epi64, (__m512i a, unsigned n), n < 64 ? U64(a) >> n : 0)
Q(_inserti64x4, (__m512i a, __m256i b, int m),
  i / 4 == m ? (uint64_t)b[i & 3] : U64(a))
Q(_castsi128_si512, (__m128i a), i < 2 ? a[i & 1] : 0x7fa5a5a57fa5a5a5)
Q(_castsi256_si512, (__m256i a), i < 4 ? a[i & 3] : 0x7fa5a5a57fa5a5a5)
EMU(__m512i, emu_bytes, 64, _shuffle_epi8, (__m512i a, __m512i m),
    ((emu_bytes)m)[i] < 0 ? 0 :
    ((emu_bytes)a)[(i & ~15) + (((emu_bytes)m)[i] & 15)])
EMU(__m256i, __m256i, 4, _castsi512_si256, (__m512i a), a[i])
EMU(__m256i, __m256i, 4, _extracti64x4_epi64, (__m512i a, int m), a[4 * m + i])
EMU(__m256i, emu_i16, 16, _cvtepi32_epi16, (__m512i a), (int16_t)U32(a))
EMU(__m256i, emu_i16, 16, _cvtps_ph, (__m512 a, int m),
    (int16_t)_mm256_cvtps_ph(_mm256_set1_ps(((void)m, a[i])),
			     _MM_FROUND_TO_NEAREST_INT)[0])
EMU(__m128i, emu_i8, 16, _cvtepi64_epi8, (__m512i a),
    i < 8 ? (int8_t)((emu_u64)a)[i & 7] : 0)
EMU(__m128i, emu_i8, 16, _maskz_loadu_epi8, (__mmask16 k, const void *p),
    ON ? ((const int8_t *)p)[i] : 0)
EMU(__m128, __m128, 4, _maskz_loadu_ps4, (__mmask8 k, const void *p),
    ON ? emu_f32(p, i) : 0)
/* clang-format on */

static inline void emu_mask_storeu_ps(void *p, __mmask16 k, __m512 a)
{
	for (int i = 0; i < 16; i++) {
		float x = a[i];

		if (ON)
			memcpy((float *)p + i, &x, sizeof(x));
	}
}

static inline int emu_compare(float a, float b, int how)
{
	switch (how) {
	case _CMP_LT_OQ:
		return a < b;
	case _CMP_NLT_UQ:
		return !(a < b);
	case _CMP_GT_OQ:
		return a > b;
	case _CMP_UNORD_Q:
		return isnan(a) || isnan(b);
	}
	__builtin_trap();
}

static inline __mmask16 emu_cmp_ps_mask(__m512 a, __m512 b, int how)
{
	unsigned k = 0;

	for (int i = 0; i < 16; i++)
		k |= (unsigned)emu_compare(a[i], b[i], how) << i;
	return (__mmask16)k;
}

static inline __mmask16 emu_test_epi32_mask(__m512i a, __m512i b)
{
	unsigned k = 0;

	for (int i = 0; i < 16; i++)
		k |= (unsigned)((U32(a) & U32(b)) != 0) << i;
	return (__mmask16)k;
}

#define emu_storeu_ps(p, a) emu_mask_storeu_ps(p, 0xffff, a)

#undef _mm512_add_epi32
#define _mm512_add_epi32 emu_add_epi32
#undef _mm512_add_pd
#define _mm512_add_pd emu_add_pd
#undef _mm512_add_ps
#define _mm512_add_ps emu_add_ps
#undef _mm512_and_si512
#define _mm512_and_si512 emu_and_si512
#undef _mm512_andnot_ps
#define _mm512_andnot_ps emu_andnot_ps
#undef _mm512_castpd512_pd256
#define _mm512_castpd512_pd256 emu_castpd512_pd256
#undef _mm512_castps256_ps512
#define _mm512_castps256_ps512 emu_castps256_ps512
#undef _mm512_castps512_ps256
#define _mm512_castps512_ps256 emu_castps512_ps256
#undef _mm512_castps_si512
#define _mm512_castps_si512 emu_castps_si512
#undef _mm512_castsi128_si512
#define _mm512_castsi128_si512 emu_castsi128_si512
#undef _mm512_castsi256_si512
#define _mm512_castsi256_si512 emu_castsi256_si512
#undef _mm512_castsi512_ps
#define _mm512_castsi512_ps emu_castsi512_ps
#undef _mm512_castsi512_si256
#define _mm512_castsi512_si256 emu_castsi512_si256
#undef _mm512_cmp_ps_mask
#define _mm512_cmp_ps_mask emu_cmp_ps_mask
#undef _mm512_cvtepi32_epi16
#define _mm512_cvtepi32_epi16 emu_cvtepi32_epi16
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps emu_cvtepi32_ps
#undef _mm512_cvtepu8_epi32
#define _mm512_cvtepu8_epi32 emu_cvtepu8_epi32
#undef _mm512_cvtepi64_epi8
#define _mm512_cvtepi64_epi8 emu_cvtepi64_epi8
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32 emu_cvtps_epi32
#undef _mm512_cvtps_pd
#define _mm512_cvtps_pd emu_cvtps_pd
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph emu_cvtps_ph
#undef _mm512_cvttps_epi32
#define _mm512_cvttps_epi32 emu_cvttps_epi32
#undef _mm512_div_ps
#define _mm512_div_ps emu_div_ps
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps emu_extractf32x8_ps
#undef _mm512_extractf64x4_pd
#define _mm512_extractf64x4_pd emu_extractf64x4_pd
#undef _mm512_extracti64x4_epi64
#define _mm512_extracti64x4_epi64 emu_extracti64x4_epi64
#undef _mm512_fmadd_ps
#define _mm512_fmadd_ps emu_fmadd_ps
#undef _mm512_fnmadd_ps
#define _mm512_fnmadd_ps emu_fnmadd_ps
#undef _mm512_insertf32x8
#define _mm512_insertf32x8 emu_insertf32x8
#undef _mm512_inserti64x4
#define _mm512_inserti64x4 emu_inserti64x4
#undef _mm512_loadu_ps
#define _mm512_loadu_ps emu_loadu_ps
#undef _mm512_loadu_si512
#define _mm512_loadu_si512 emu_loadu_si512
#undef _mm512_mask3_fmadd_ps
#define _mm512_mask3_fmadd_ps emu_mask3_fmadd_ps
#undef _mm512_mask_add_epi32
#define _mm512_mask_add_epi32 emu_mask_add_epi32
#undef _mm512_mask_add_ps
#define _mm512_mask_add_ps emu_mask_add_ps
#undef _mm512_mask_broadcastss_ps
#define _mm512_mask_broadcastss_ps emu_mask_broadcastss_ps
#undef _mm512_mask_max_ps
#define _mm512_mask_max_ps emu_mask_max_ps
#undef _mm512_mask_mov_epi32
#define _mm512_mask_mov_epi32 emu_mask_mov_epi32
#undef _mm512_mask_mov_ps
#define _mm512_mask_mov_ps emu_mask_mov_ps
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps emu_mask_storeu_ps
#undef _mm512_maskz_add_epi32
#define _mm512_maskz_add_epi32 emu_maskz_add_epi32
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps emu_maskz_loadu_ps
#undef _mm512_maskz_mov_ps
#define _mm512_maskz_mov_ps emu_maskz_mov_ps
#undef _mm512_max_epi32
#define _mm512_max_epi32 emu_max_epi32
#undef _mm512_max_ps
#define _mm512_max_ps emu_max_ps
#undef _mm512_min_ps
#define _mm512_min_ps emu_min_ps
#undef _mm512_mul_epu32
#define _mm512_mul_epu32 emu_mul_epu32
#undef _mm512_mul_ps
#define _mm512_mul_ps emu_mul_ps
#undef _mm512_or_si512
#define _mm512_or_si512 emu_or_si512
#undef _mm512_permutex2var_epi32
#define _mm512_permutex2var_epi32 emu_permutex2var_epi32
#undef _mm512_permutex2var_ps
#define _mm512_permutex2var_ps emu_permutex2var_ps
#undef _mm512_permutexvar_epi32
#define _mm512_permutexvar_epi32 emu_permutexvar_epi32
#undef _mm512_permutexvar_ps
#define _mm512_permutexvar_ps emu_permutexvar_ps
#undef _mm512_roundscale_ps
#define _mm512_roundscale_ps emu_roundscale_ps
#undef _mm512_set1_epi32
#define _mm512_set1_epi32 emu_set1_epi32
#undef _mm512_set1_ps
#define _mm512_set1_ps emu_set1_ps
#undef _mm512_setr_epi32
#define _mm512_setr_epi32 emu_setr_epi32
#undef _mm512_setzero_pd
#define _mm512_setzero_pd emu_setzero_pd
#undef _mm512_setzero_ps
#define _mm512_setzero_ps emu_setzero_ps
#undef _mm512_setzero_si512
#define _mm512_setzero_si512 emu_setzero_si512
#undef _mm512_shuffle_epi8
#define _mm512_shuffle_epi8 emu_shuffle_epi8
#undef _mm512_shuffle_i32x4
#define _mm512_shuffle_i32x4 emu_shuffle_i32x4
#undef _mm512_shuffle_ps
#define _mm512_shuffle_ps emu_shuffle_ps
#undef _mm512_slli_epi32
#define _mm512_slli_epi32 emu_slli_epi32
#undef _mm512_slli_epi64
#define _mm512_slli_epi64 emu_slli_epi64
#undef _mm512_srli_epi32
#define _mm512_srli_epi32 emu_srli_epi32
#undef _mm512_srli_epi64
#define _mm512_srli_epi64 emu_srli_epi64
#undef _mm512_srlv_epi32
#define _mm512_srlv_epi32 emu_srlv_epi32
#undef _mm512_storeu_ps
#define _mm512_storeu_ps emu_storeu_ps
#undef _mm512_sub_ps
#define _mm512_sub_ps emu_sub_ps
#undef _mm512_test_epi32_mask
#define _mm512_test_epi32_mask emu_test_epi32_mask
#undef _mm512_unpackhi_epi32
#define _mm512_unpackhi_epi32 emu_unpackhi_epi32
#undef _mm512_unpackhi_epi64
#define _mm512_unpackhi_epi64 emu_unpackhi_epi64
#undef _mm512_unpackhi_ps
#define _mm512_unpackhi_ps emu_unpackhi_ps
#undef _mm512_unpacklo_epi32
#define _mm512_unpacklo_epi32 emu_unpacklo_epi32
#undef _mm512_unpacklo_epi64
#define _mm512_unpacklo_epi64 emu_unpacklo_epi64
#undef _mm512_unpacklo_ps
#define _mm512_unpacklo_ps emu_unpacklo_ps
#undef _mm512_xor_ps
#define _mm512_xor_ps emu_xor_ps
#undef _mm512_xor_si512
#define _mm512_xor_si512 emu_xor_si512
#undef _mm_maskz_loadu_epi8
#define _mm_maskz_loadu_epi8 emu_maskz_loadu_epi8
#undef _mm_maskz_loadu_ps
#define _mm_maskz_loadu_ps emu_maskz_loadu_ps4

#include "emu_bf16.h"

#endif
