#include "kernel/gemm_tile.h"

#include <immintrin.h>
#include <string.h>

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

/* rows is a constant: 8 x 3 is 24 sums, 3 of W and a broadcast, of 32
 * registers. */
INLINE void tile(struct place p, size_t rows, struct factors f)
{
	const float *w = f.w, *next = w + GEMM_NR * f.kc;
	__m512 s[ROWS][3];

	ask(p, rows);
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
		s[r][0] = s[r][1] = s[r][2] = _mm512_setzero_ps();
	for (size_t k = 0; k < f.kc; k++, w += GEMM_NR, next += GEMM_NR) {
		__m512 w0 = _mm512_loadu_ps(w), w1 = _mm512_loadu_ps(next);
		__m512 w2 = join(w + 16, next + 16);

#pragma GCC unroll 8
		for (size_t r = 0; r < rows; r++) {
			__m512 x = _mm512_set1_ps(x_at(f, k, r));

			s[r][0] = _mm512_fmadd_ps(x, w0, s[r][0]);
			s[r][1] = _mm512_fmadd_ps(x, w1, s[r][1]);
			s[r][2] = _mm512_fmadd_ps(x, w2, s[r][2]);
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
static void two_panels(struct place p, struct factors f)
{
	size_t m = p.m;

	for (; m > GEMM_MR; m -= p.m) {
		p.m = m < ROWS ? m : ROWS;
		tile(p, ROWS, f);
		p.y += ROWS * p.stride;
		f.x += ROWS * f.kc;
	}
	p.m = m;
	if (m == 1)
		tile(p, 1, f);
	else if (m)
		tile(p, GEMM_MR, f);
}

/* Three registers are two panels; a last one is done as well by AVX2. */
void gemm_block_avx512(float *y, size_t stride, size_t m, size_t n,
		       const float *x, const float *w, size_t kc, int first)
{
	size_t j = 0;

	for (; j + GEMM_NR < n; j += 2 * GEMM_NR) {
		struct place p = { y + j, stride, m, n - j, first };

		two_panels(p, (struct factors){ x, w + j * kc, kc });
	}
	if (j < n)
		gemm_block_avx2(y + j, stride, m, n - j, x, w + j * kc, kc,
				first);
}

/* As tile(), but in place, and the sums are in memory; rows and vectors are
 * constants, mask the columns of the last vector. */
INLINE void tile_tn(float *sum, int rows, int vectors, __mmask16 mask,
		    struct gemm_rows small, struct gemm_rows wide, size_t m)
{
	__m512 s[ROWS][3], w[3];
	int last = vectors - 1;

#pragma GCC unroll 8
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
		for (int j = 0; j < vectors; j++)
			s[i][j] = _mm512_loadu_ps(sum + i * GEMM_TN_COLS +
						  16 * j);
	for (; m > 0; m--, small.at += small.stride, wide.at += wide.stride) {
#pragma GCC unroll 3
		for (int j = 0; j < last; j++)
			w[j] = _mm512_loadu_ps(wide.at + 16 * j);
		w[last] = _mm512_maskz_loadu_ps(mask, wide.at + 16 * last);
#pragma GCC unroll 8
		for (int i = 0; i < rows; i++) {
			__m512 x = _mm512_set1_ps(small.at[i]);

#pragma GCC unroll 3
			for (int j = 0; j < vectors; j++)
				s[i][j] = _mm512_fmadd_ps(x, w[j], s[i][j]);
		}
	}
#pragma GCC unroll 8
	for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
		for (int j = 0; j < vectors; j++)
			_mm512_storeu_ps(sum + i * GEMM_TN_COLS + 16 * j,
					 s[i][j]);
}

INLINE void rows_tn(float *sum, int vectors, __mmask16 mask,
		    struct gemm_rows small, struct gemm_rows wide, size_t m)
{
	size_t n = small.n;

	for (; n >= ROWS; n -= ROWS, small.at += ROWS) {
		tile_tn(sum, ROWS, vectors, mask, small, wide, m);
		sum += ROWS * GEMM_TN_COLS;
	}
	for (; n >= GEMM_MR; n -= GEMM_MR, small.at += GEMM_MR) {
		tile_tn(sum, GEMM_MR, vectors, mask, small, wide, m);
		sum += GEMM_MR * GEMM_TN_COLS;
	}
	for (; n > 0; n--, small.at++, sum += GEMM_TN_COLS)
		tile_tn(sum, 1, vectors, mask, small, wide, m);
}

/* sum is wide enough for the lanes that are off: they stay as they are, but
 * for infinity times 0, which nobody reads. */
static void step_tn(float *sum, struct gemm_rows small, struct gemm_rows wide,
		    size_t m)
{
	size_t j = 0;

	for (; j + 48 <= wide.n; j += 48, wide.at += 48)
		rows_tn(sum + j, 3, 0xffff, small, wide, m);
	for (; j + 16 <= wide.n; j += 16, wide.at += 16)
		rows_tn(sum + j, 1, 0xffff, small, wide, m);
	if (j < wide.n)
		rows_tn(sum + j, 1, (__mmask16)((1u << (wide.n - j)) - 1),
			small, wide, m);
}

/* A few rows at a time stay in L1 for every pass over them; with many passes,
 * side by side, since rows a power of two apart do not. */
enum { TN_STEP = 32, TN_COPY = 16 };

void gemm_tn_block_avx512(float *sum, struct gemm_rows small,
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
