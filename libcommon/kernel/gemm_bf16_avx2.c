/* The bits of AVX512-BF16 without it: f32's multiply-adds, told to treat
 * denormals likewise. */
#include "kernel/gemm_bf16.h"

#include <immintrin.h>

#include "kernel/gemm.h"

#define INLINE static inline __attribute__((always_inline))

enum { FLUSH = 0x8040 };        /* MXCSR: results, operands */

INLINE __m256 high(__m256 pairs)
{
	const __m256i mask = _mm256_set1_epi32((int)0xffff0000);

	return _mm256_and_ps(pairs, _mm256_castsi256_ps(mask));
}

INLINE __m256 low(__m256 pairs)
{
	return _mm256_castsi256_ps(_mm256_slli_epi32(
		_mm256_castps_si256(pairs), 16));
}

/* Not inlined: all of its arithmetic is done as MXCSR says at the call. */
static __attribute__((noinline)) void
tile(float sum[GEMM_MR][GEMM_NR], const float *x, const float *w, size_t kc)
{
	__m256 acc[GEMM_MR][3];

	for (int i = 0; i < GEMM_MR; i++)
		for (int j = 0; j < 3; j++)
			acc[i][j] = _mm256_setzero_ps();
	for (; kc > 0; kc--, x += GEMM_MR, w += GEMM_NR)
		for (int j = 0; j < 3; j++) {
			__m256 wj = _mm256_loadu_ps(w + 8 * j);
			__m256 odd = high(wj), even = low(wj);

			for (int i = 0; i < GEMM_MR; i++) {
				__m256 xi = _mm256_broadcast_ss(x + i);

				acc[i][j] = _mm256_fmadd_ps(high(xi), odd,
							    acc[i][j]);
				acc[i][j] = _mm256_fmadd_ps(low(xi), even,
							    acc[i][j]);
			}
		}
	for (int i = 0; i < GEMM_MR; i++)
		for (int j = 0; j < 3; j++)
			_mm256_storeu_ps(sum[i] + 8 * j, acc[i][j]);
}

static void put(float *y, const float *sum, size_t n, int first)
{
	for (size_t j = 0; j < n; j++)
		y[j] = first ? sum[j] : y[j] + sum[j];
}

void gemm_block_bf16_avx2(float *y, size_t stride, size_t m, size_t n,
			  const float *x, const float *w, size_t kc, int first)
{
	float sum[GEMM_MR][GEMM_NR];
	unsigned was = _mm_getcsr();

	for (size_t j = 0; j < n; j += GEMM_NR)
		for (size_t i = 0; i < m; i += GEMM_MR) {
			size_t wide = n - j < GEMM_NR ? n - j : GEMM_NR;

			_mm_setcsr(was | FLUSH);
			tile(sum, x + i * kc, w + j * kc, kc);
			_mm_setcsr(was);
			for (size_t r = 0; r < GEMM_MR && i + r < m; r++)
				put(y + (i + r) * stride + j, sum[r], wide,
				    first);
		}
}
