/*
 * gemm_block_avx512 - a block of the product in registers of 16; for
 * gemm_tile_avx512.c and gemm_bf16_avx512bf16.c, which differ in what a k does
 */
#ifndef KERNEL_GEMM_BLOCK_AVX512_H
#define KERNEL_GEMM_BLOCK_AVX512_H

#include <immintrin.h>
#include <stddef.h>

#include "kernel/gemm.h"

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 2 * GEMM_MR };

/* Where a tile goes: m rows and n columns of it are there. */
struct place {
	float *y;
	size_t stride, m, n;
	int first;
};

/* What a tile is the product of: panels of X and of W. */
struct factors {
	const float *x, *w;
	size_t kc;
};

/* sum + x w: 16 sums, moved on by a k. */
typedef __m512 step_fn(__m512 x, __m512 w, __m512 sum);

INLINE void put16(float *y, __m512 sum, int first)
{
	_mm512_storeu_ps(y, first ? sum :
			 _mm512_add_ps(_mm512_loadu_ps(y), sum));
}

INLINE void put8(float *y, __m256 sum, int first)
{
	_mm256_storeu_ps(y, first ? sum :
			 _mm256_add_ps(_mm256_loadu_ps(y), sum));
}

static void put_some(float *y, const float *sum, size_t n, int first)
{
	for (size_t j = 0; j < n; j++)
		y[j] = first ? sum[j] : y[j] + sum[j];
}

/* A row of two panels: 16 columns of each, and the last 8 of both. */
INLINE void put(float *y, const __m512 s[3], size_t n, int first)
{
	__m256 low = _mm512_castps512_ps256(s[2]);
	__m256 high = _mm512_extractf32x8_ps(s[2], 1);
	float part[2 * GEMM_NR];

	if (n >= 2 * GEMM_NR) {
		put16(y, s[0], first);
		put8(y + 16, low, first);
		put16(y + GEMM_NR, s[1], first);
		put8(y + GEMM_NR + 16, high, first);
		return;
	}
	_mm512_storeu_ps(part, s[0]);
	_mm256_storeu_ps(part + 16, low);
	_mm512_storeu_ps(part + GEMM_NR, s[1]);
	_mm256_storeu_ps(part + GEMM_NR + 16, high);
	put_some(y, part, n, first);
}

/* Asks for the tile's place before its sums are made: y is larger than the
 * caches, and a store that waits holds up the next tile. */
INLINE void ask(struct place p, size_t rows)
{
	for (size_t r = 0; r < rows && r < p.m; r++) {
		const float *y = p.y + r * p.stride;

		for (size_t j = 0; j < 2 * GEMM_NR && j < p.n; j += 16)
			__builtin_prefetch(y + j, 1);
	}
}

/* Row r of X at some k; a tile may have two panels of it. */
INLINE float x_at(struct factors f, size_t k, size_t r)
{
	return f.x[(r / GEMM_MR * f.kc + k) * GEMM_MR + r % GEMM_MR];
}

INLINE __m512 join(const float *low, const float *high)
{
	return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)),
				  _mm256_loadu_ps(high), 1);
}

/* All of a tile is read before any is written: rows a power of two apart look
 * to the processor like the same place. */
INLINE void add_old(__m512 s[3], const float *y)
{
	s[0] = _mm512_add_ps(_mm512_loadu_ps(y), s[0]);
	s[1] = _mm512_add_ps(_mm512_loadu_ps(y + GEMM_NR), s[1]);
	s[2] = _mm512_add_ps(join(y + 16, y + GEMM_NR + 16), s[2]);
}

/* rows and step are constants: 8 x 3 is 24 sums, 3 of W and a broadcast, of 32
 * registers. */
INLINE void tile(struct place p, size_t rows, struct factors f, step_fn *step)
{
	const float *w = f.w, *next = w + GEMM_NR * f.kc;
	__m512 s[ROWS][3];

	ask(p, rows);
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
		s[r][0] = s[r][1] = s[r][2] = _mm512_setzero_ps();
#pragma GCC unroll 4
	for (size_t k = 0; k < f.kc; k++, w += GEMM_NR, next += GEMM_NR) {
		__m512 w0 = _mm512_loadu_ps(w), w1 = _mm512_loadu_ps(next);
		__m512 w2 = join(w + 16, next + 16);

		if (k % 4 == 0)
			for (size_t r = 0; r < rows; r += GEMM_MR)
				__builtin_prefetch(f.x + (rows + r) * f.kc +
						   k * GEMM_MR);

#pragma GCC unroll 8
		for (size_t r = 0; r < rows; r++) {
			__m512 x = _mm512_set1_ps(x_at(f, k, r));

			s[r][0] = step(x, w0, s[r][0]);
			s[r][1] = step(x, w1, s[r][1]);
			s[r][2] = step(x, w2, s[r][2]);
		}
	}
	if (!p.first && p.n >= 2 * GEMM_NR) {
#pragma GCC unroll 8
		for (size_t r = 0; r < rows; r++)
			if (r < p.m)
				add_old(s[r], p.y + r * p.stride);
		p.first = 1;
	}
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
		if (r < p.m)
			put(p.y + r * p.stride, s[r], p.n, p.first);
}

/* Rows past the last are zeros in a panel of X, and are not put. */
INLINE void two_panels(struct place p, struct factors f, step_fn *step)
{
	size_t m = p.m;

	for (; m > GEMM_MR; m -= p.m) {
		p.m = m < ROWS ? m : ROWS;
		tile(p, ROWS, f, step);
		p.y += ROWS * p.stride;
		f.x += ROWS * f.kc;
	}
	p.m = m;
	if (m == 1)
		tile(p, 1, f, step);
	else if (m)
		tile(p, GEMM_MR, f, step);
}

#endif
