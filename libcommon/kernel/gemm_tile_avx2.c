#include "kernel/gemm_tile.h"

#include <immintrin.h>
#include <string.h>

#include "kernel/gemm.h"

#define INLINE static inline __attribute__((always_inline))

INLINE void put8(float *y, __m256 sum, int first)
{
	_mm256_storeu_ps(y, first ? sum :
			 _mm256_add_ps(_mm256_loadu_ps(y), sum));
}

/* y += sums, or y = sums: n columns of a row. */
INLINE void put(float *y, __m256 s0, __m256 s1, __m256 s2, size_t n, int first)
{
	float part[GEMM_NR];

	if (n == GEMM_NR) {
		put8(y, s0, first);
		put8(y + 8, s1, first);
		put8(y + 16, s2, first);
		return;
	}
	_mm256_storeu_ps(part, s0);
	_mm256_storeu_ps(part + 8, s1);
	_mm256_storeu_ps(part + 16, s2);
	for (size_t j = 0; j < n; j++)
		y[j] = first ? part[j] : y[j] + part[j];
}

/* Asks for the tile's place before its sums are made: y is larger than the
 * caches, and a store that waits holds up the next tile. */
INLINE void ask(const float *y, size_t stride, int rows, size_t n)
{
	for (int r = 0; r < rows; r++, y += stride)
		for (size_t j = 0; j < n; j += 16)
			__builtin_prefetch(y + j, 1);
}

/* A tile's sums are named, not an array: compilers keep names in registers. */
#define ZERO(i) \
	__m256 a##i = _mm256_setzero_ps(), b##i = a##i, c##i = a##i

#define ROW(i)                                                        \
	do {                                                          \
		__m256 xi;                                            \
                                                                      \
		if (i >= rows)                                        \
			break;                                        \
		xi = _mm256_broadcast_ss(x + i);                      \
		a##i = _mm256_fmadd_ps(xi, w0, a##i);                 \
		if (vectors > 1)                                      \
			b##i = _mm256_fmadd_ps(xi, w1, b##i);         \
		if (vectors > 2)                                      \
			c##i = _mm256_fmadd_ps(xi, w2, c##i);         \
	} while (0)

#define PUT(i)                                                        \
	do {                                                          \
		if (i < rows)                                         \
			put(y + i * stride, a##i, b##i, c##i, n, first); \
	} while (0)

/* rows and vectors are constants: 4 x 3 is 12 sums, 3 of W and a broadcast,
 * which is all of the 16 registers. */
INLINE void tile(float *y, size_t stride, int rows, int vectors, size_t n,
		 const float *x, const float *w, size_t kc, int first)
{
	ask(y, stride, rows, n);
	ZERO(0);
	ZERO(1);
	ZERO(2);
	ZERO(3);
#pragma GCC unroll 4
	for (size_t k = 0; k < kc; k++, x += GEMM_MR, w += GEMM_NR) {
		__m256 w0 = _mm256_load_ps(w);
		__m256 w1 = _mm256_load_ps(w + 8);
		__m256 w2 = _mm256_load_ps(w + 16);

		if (k % 4 == 0)
			__builtin_prefetch(x + GEMM_MR * kc);
		ROW(0);
		ROW(1);
		ROW(2);
		ROW(3);
	}
	PUT(0);
	PUT(1);
	PUT(2);
	PUT(3);
}

/* Two panels of X by 8 columns: with one, sums would wait for themselves. */
#define PAIR(i)                                                            \
	do {                                                               \
		a##i = _mm256_fmadd_ps(_mm256_broadcast_ss(x + i), w0,     \
				       a##i);                              \
		b##i = _mm256_fmadd_ps(_mm256_broadcast_ss(x + next + i),  \
				       w0, b##i);                          \
	} while (0)

#define PUT_PAIR(i)                                                        \
	do {                                                               \
		put(y + i * stride, a##i, c##i, c##i, n, first);           \
		put(y + (i + 4) * stride, b##i, c##i, c##i, n, first);     \
	} while (0)

INLINE void tile_narrow(float *y, size_t stride, size_t n, const float *x,
			const float *w, size_t kc, int first)
{
	size_t next = GEMM_MR * kc;

	ZERO(0);
	ZERO(1);
	ZERO(2);
	ZERO(3);
	for (size_t k = 0; k < kc; k++, x += GEMM_MR, w += GEMM_NR) {
		__m256 w0 = _mm256_load_ps(w);

		PAIR(0);
		PAIR(1);
		PAIR(2);
		PAIR(3);
	}
	PUT_PAIR(0);
	PUT_PAIR(1);
	PUT_PAIR(2);
	PUT_PAIR(3);
}

static void last_rows(float *y, size_t stride, size_t m, size_t n,
		      const float *x, const float *w, size_t kc, int first)
{
	switch (m) {
	case 1:
		tile(y, stride, 1, 3, n, x, w, kc, first);
		break;
	case 2:
		tile(y, stride, 2, 3, n, x, w, kc, first);
		break;
	case 3:
		tile(y, stride, 3, 3, n, x, w, kc, first);
		break;
	}
}

/* One panel of W, n of its columns. */
static void panel(float *y, size_t stride, size_t m, size_t n, const float *x,
		  const float *w, size_t kc, int first)
{
	size_t i = 0;

	for (; n <= 8 && i + 2 * GEMM_MR <= m; i += 2 * GEMM_MR)
		tile_narrow(y + i * stride, stride, n, x + i * kc, w, kc,
			    first);
	for (; n <= 16 && i + GEMM_MR <= m; i += GEMM_MR)
		tile(y + i * stride, stride, GEMM_MR, 2, n, x + i * kc, w, kc,
		     first);
	for (; n < GEMM_NR && i + GEMM_MR <= m; i += GEMM_MR)
		tile(y + i * stride, stride, GEMM_MR, 3, n, x + i * kc, w, kc,
		     first);
	for (; i + GEMM_MR <= m; i += GEMM_MR)
		tile(y + i * stride, stride, GEMM_MR, 3, GEMM_NR, x + i * kc,
		     w, kc, first);
	last_rows(y + i * stride, stride, m - i, n, x + i * kc, w, kc, first);
}

void gemm_block_avx2(float *y, size_t stride, size_t m, size_t n,
		     const float *x, const float *w, size_t kc, int first)
{
	for (size_t j = 0; j < n; j += GEMM_NR, w += GEMM_NR * kc)
		panel(y + j, stride, m, n - j < GEMM_NR ? n - j : GEMM_NR, x,
		      w, kc, first);
}

/* As tile(), but in place, and the sums are in memory. */
INLINE void tile_tn(float *sum, int rows, int vectors, struct gemm_rows small,
		    struct gemm_rows wide, size_t m)
{
	__m256 acc[GEMM_MR][3];

	for (int i = 0; i < rows; i++)
		for (int j = 0; j < vectors; j++)
			acc[i][j] = _mm256_loadu_ps(sum + i * GEMM_TN_COLS +
						    8 * j);
	for (size_t k = 0; k < m; k++) {
		const float *s = small.at + k * small.stride;
		const float *w = wide.at + k * wide.stride;
		__m256 wj[3];

		for (int j = 0; j < vectors; j++)
			wj[j] = _mm256_loadu_ps(w + 8 * j);
		for (int i = 0; i < rows; i++) {
			__m256 si = _mm256_broadcast_ss(s + i);

			for (int j = 0; j < vectors; j++)
				acc[i][j] = _mm256_fmadd_ps(si, wj[j],
							    acc[i][j]);
		}
	}
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < vectors; j++)
			_mm256_storeu_ps(sum + i * GEMM_TN_COLS + 8 * j,
					 acc[i][j]);
}

/* Columns that fill no vector, one by one. */
static void tail_tn(float *sum, struct gemm_rows small, struct gemm_rows wide,
		    size_t m)
{
	for (size_t k = 0; k < m; k++)
		for (size_t i = 0; i < small.n; i++)
			for (size_t j = 0; j < wide.n; j++)
				sum[i * GEMM_TN_COLS + j] = __builtin_fmaf(
					small.at[k * small.stride + i],
					wide.at[k * wide.stride + j],
					sum[i * GEMM_TN_COLS + j]);
}

INLINE void rows_tn(float *sum, int vectors, struct gemm_rows small,
		    struct gemm_rows wide, size_t m)
{
	size_t i = 0;

	for (; i + GEMM_MR <= small.n; i += GEMM_MR, small.at += GEMM_MR)
		tile_tn(sum + i * GEMM_TN_COLS, GEMM_MR, vectors, small, wide,
			m);
	for (; i < small.n; i++, small.at++)
		tile_tn(sum + i * GEMM_TN_COLS, 1, vectors, small, wide, m);
}

static void step_tn(float *sum, struct gemm_rows small, struct gemm_rows wide,
		    size_t m)
{
	size_t j = 0;

	for (; j + 24 <= wide.n; j += 24, wide.at += 24)
		rows_tn(sum + j, 3, small, wide, m);
	for (; j + 8 <= wide.n; j += 8, wide.at += 8)
		rows_tn(sum + j, 1, small, wide, m);
	wide.n -= j;
	tail_tn(sum + j, small, wide, m);
}

/* A few rows at a time stay in L1 for every pass over them; with many passes,
 * side by side, since rows a power of two apart do not. */
enum { TN_STEP = 32, TN_COPY = 16 };

void gemm_tn_block_avx2(float *sum, struct gemm_rows small,
			struct gemm_rows wide, size_t m)
{
	float copy[TN_STEP * GEMM_TN_COLS];

	for (size_t k = 0; k < m; k += TN_STEP) {
		size_t step = m - k < TN_STEP ? m - k : TN_STEP;
		struct gemm_rows s = small, w = wide;

		s.at += k * small.stride;
		w.at += k * wide.stride;
		if (small.n >= TN_COPY) {
			for (size_t r = 0; r < step; r++)
				memcpy(copy + r * wide.n,
				       w.at + r * wide.stride,
				       wide.n * sizeof(*copy));
			w.at = copy;
			w.stride = wide.n;
		}
		step_tn(sum, s, w, step);
	}
}

/* Four rows, four k. */
INLINE void turn(float *dst, __m128 a, __m128 b, __m128 c, __m128 d)
{
	__m128 ab = _mm_unpacklo_ps(a, b), cd = _mm_unpacklo_ps(c, d);

	_mm_store_ps(dst, _mm_movelh_ps(ab, cd));
	_mm_store_ps(dst + 4, _mm_movehl_ps(cd, ab));
	ab = _mm_unpackhi_ps(a, b);
	cd = _mm_unpackhi_ps(c, d);
	_mm_store_ps(dst + 8, _mm_movelh_ps(ab, cd));
	_mm_store_ps(dst + 12, _mm_movehl_ps(cd, ab));
}

void gemm_pack_x_avx2(float *dst, const float *x, size_t stride, size_t m,
		      size_t kc)
{
	size_t i = 0;

	for (; i + GEMM_MR <= m; i += GEMM_MR, dst += GEMM_MR * kc) {
		const float *r0 = x + i * stride, *r1 = r0 + stride;
		const float *r2 = r1 + stride, *r3 = r2 + stride;
		size_t k = 0;

		for (; k + 4 <= kc; k += 4)
			turn(dst + k * 4, _mm_loadu_ps(r0 + k),
			     _mm_loadu_ps(r1 + k), _mm_loadu_ps(r2 + k),
			     _mm_loadu_ps(r3 + k));
		for (; k < kc; k++)
			_mm_store_ps(dst + k * 4, _mm_setr_ps(r0[k], r1[k],
							      r2[k], r3[k]));
	}
	gemm_pack_x_c(dst, x + i * stride, stride, m - i, kc);
}
