#include "kernel/gemm_bf16.h"

#include <immintrin.h>
#include <stdint.h>

#include "kernel/gemm.h"
#include "kernel/gemm_block_avx512.h"

INLINE __m512 step(__m512 x, __m512 w, __m512 sum)
{
	return _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)w);
}

/* As tile(), of one panel: 16 columns, and in half a register 8. */
INLINE void narrow(struct place p, size_t rows, struct factors f)
{
	const float *w = f.w;
	float part[GEMM_NR];
	__m512 a[ROWS];
	__m256 b[ROWS];

#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++) {
		a[r] = _mm512_setzero_ps();
		b[r] = _mm256_setzero_ps();
	}
	for (size_t k = 0; k < f.kc; k++, w += GEMM_NR) {
		__m512 w0 = _mm512_loadu_ps(w);
		__m256 w1 = _mm256_loadu_ps(w + 16);

#pragma GCC unroll 8
		for (size_t r = 0; r < rows; r++) {
			float x = x_at(f, k, r);

			a[r] = step(_mm512_set1_ps(x), w0, a[r]);
			b[r] = _mm256_dpbf16_ps(b[r],
						(__m256bh)_mm256_set1_ps(x),
						(__m256bh)w1);
		}
	}
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++) {
		_mm512_storeu_ps(part, a[r]);
		_mm256_storeu_ps(part + 16, b[r]);
		if (r < p.m)
			put_some(p.y + r * p.stride, part, p.n, p.first);
	}
}

static void one_panel(struct place p, struct factors f)
{
	for (; p.m > GEMM_MR; p.m -= p.m < ROWS ? p.m : ROWS) {
		narrow(p, ROWS, f);
		p.y += ROWS * p.stride;
		f.x += ROWS * f.kc;
	}
	if (p.m)
		narrow(p, GEMM_MR, f);
}

void gemm_block_bf16_avx512bf16(float *y, size_t stride, size_t m, size_t n,
				const float *x, const float *w, size_t kc,
				int first)
{
	size_t j = 0;

	for (; j + GEMM_NR < n; j += 2 * GEMM_NR) {
		struct place p = { y + j, stride, m, n - j, first };

		two_panels(p, (struct factors){ x, w + j * kc, kc }, step);
	}
	if (j < n)
		one_panel((struct place){ y + j, stride, m, n - j, first },
			  (struct factors){ x, w + j * kc, kc });
}

/* Four rows, four pairs. */
INLINE void turn(float *dst, __m128 a, __m128 b, __m128 c, __m128 d)
{
	__m128 ab = _mm_unpacklo_ps(a, b), cd = _mm_unpacklo_ps(c, d);

	_mm_storeu_ps(dst, _mm_movelh_ps(ab, cd));
	_mm_storeu_ps(dst + 4, _mm_movehl_ps(cd, ab));
	ab = _mm_unpackhi_ps(a, b);
	cd = _mm_unpackhi_ps(c, d);
	_mm_storeu_ps(dst + 8, _mm_movelh_ps(ab, cd));
	_mm_storeu_ps(dst + 12, _mm_movehl_ps(cd, ab));
}

/* What lies side by side in a row is a pair. */
INLINE __m128 pairs4(const float *x)
{
	return (__m128)_mm256_cvtneps_pbh(_mm256_loadu_ps(x));
}

void gemm_pack_x_bf16_avx512bf16(float *dst, const float *x, size_t stride,
				 size_t m, size_t kc)
{
	size_t half = (kc + 1) / 2;

	for (; m >= GEMM_MR; m -= GEMM_MR, x += GEMM_MR * stride) {
		size_t k = 0;

		for (; k + 8 <= kc; k += 8)
			turn(dst + k / 2 * GEMM_MR, pairs4(x + k),
			     pairs4(x + stride + k), pairs4(x + 2 * stride + k),
			     pairs4(x + 3 * stride + k));
		if (k < kc)
			gemm_pack_x_bf16_c(dst + k / 2 * GEMM_MR, x + k,
					   stride, GEMM_MR, kc - k);
		dst += GEMM_MR * half;
	}
	gemm_pack_x_bf16_c(dst, x, stride, m, kc);
}

/* The instruction leaves the even ones in the low half, the odd ones in the
 * high half. */
INLINE __m512 pairs16(__m512 even, __m512 odd)
{
	static const _Alignas(64) uint16_t order[32] = {
		0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23,
		8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31,
	};
	__m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);

	return _mm512_castsi512_ps(_mm512_permutexvar_epi16(
		_mm512_loadu_si512(order), both));
}

/* Two k of a panel, which may lie where the pairs go. */
INLINE void pair_rows(float *dst, const float *w, const float *next)
{
	__m512 a = _mm512_loadu_ps(w), b = _mm512_loadu_ps(next);
	__m512 c = _mm512_castps256_ps512(_mm256_loadu_ps(w + 16));
	__m512 d = _mm512_castps256_ps512(_mm256_loadu_ps(next + 16));

	_mm512_storeu_ps(dst, pairs16(a, b));
	_mm256_storeu_ps(dst + 16, _mm512_castps512_ps256(pairs16(c, d)));
}

void gemm_pair_w_avx512bf16(float *panel, size_t n, size_t kc)
{
	static const float zero[GEMM_NR];
	float *dst = panel;

	for (; n > 0; n--, panel += GEMM_NR * kc)
		for (size_t k = 0; k < kc; k += 2, dst += GEMM_NR) {
			const float *w = panel + k * GEMM_NR;

			pair_rows(dst, w, k + 1 < kc ? w + GEMM_NR : zero);
		}
}
