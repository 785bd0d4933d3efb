/*
 * attend_avx2 - what attention's two directions are built from
 *
 * Products are made of blocks of six rows and sixteen columns: twelve
 * accumulators, each element one chain of fma. Tiles lie in scratch, their
 * rows padded with zeros to a multiple of sixteen columns.
 */
#ifndef KERNEL_ATTEND_AVX2_H
#define KERNEL_ATTEND_AVX2_H

#include "base/size.h"
#include "kernel/attention.h"
#include "kernel/lanes_avx2.h"

#include <string.h>

enum { BLOCK_ROWS = 6, BLOCK_COLS = 16 };

/* Element (row, k) is at[row * down + k * along]. */
struct left {
	const float *at;
	size_t down, along;
};

/* Columns of one block: element (k, column) is at[k * stride + column]. */
struct right {
	const float *at;
	size_t stride;
};

/* c[row] += sum over k < n, upward, of left(row, k) right(k, columns). */
static inline __attribute__((always_inline)) void
chains(__m256 c[BLOCK_ROWS][2], struct left a, struct right b, size_t n)
{
	const float *x = a.at, *y = b.at;

	for (size_t k = 0; k < n; k++, x += a.along, y += b.stride) {
		__m256 low = _mm256_loadu_ps(y), high = _mm256_loadu_ps(y + 8);
		const float *row = x;

#pragma GCC unroll 6
		for (int r = 0; r < BLOCK_ROWS; r++, row += a.down) {
			__m256 v = _mm256_broadcast_ss(row);

			c[r][0] = _mm256_fmadd_ps(v, low, c[r][0]);
			c[r][1] = _mm256_fmadd_ps(v, high, c[r][1]);
		}
	}
}

static inline __attribute__((always_inline)) void
block_zero(__m256 c[BLOCK_ROWS][2])
{
#pragma GCC unroll 6
	for (int r = 0; r < BLOCK_ROWS; r++)
		c[r][0] = c[r][1] = _mm256_setzero_ps();
}

/* A block of a matrix in memory: the first rows rows and cols columns of it
 * are there, at most BLOCK_ROWS and BLOCK_COLS. Masked stores are slow on some
 * processors: only ragged blocks take them. */
struct place {
	float *at;
	size_t stride, rows, cols;
};

static inline __attribute__((always_inline)) void
block_load(__m256 c[BLOCK_ROWS][2], struct place p)
{
	__m256i low = mask8_at(p.cols, 0), high = mask8_at(p.cols, 8);

#pragma GCC unroll 6
	for (size_t r = 0; r < BLOCK_ROWS; r++) {
		float *at = p.at + r * p.stride;

		c[r][0] = c[r][1] = _mm256_setzero_ps();
		if (r < p.rows) {
			c[r][0] = _mm256_maskload_ps(at, low);
			c[r][1] = _mm256_maskload_ps(at + 8, high);
		}
	}
}

static inline __attribute__((always_inline)) void
block_store(__m256 c[BLOCK_ROWS][2], struct place p)
{
	__m256i low = mask8_at(p.cols, 0), high = mask8_at(p.cols, 8);

#pragma GCC unroll 6
	for (size_t r = 0; r < BLOCK_ROWS; r++) {
		float *at = p.at + r * p.stride;

		if (r < p.rows && p.cols >= BLOCK_COLS) {
			_mm256_storeu_ps(at, c[r][0]);
			_mm256_storeu_ps(at + 8, c[r][1]);
		} else if (r < p.rows) {
			_mm256_maskstore_ps(at, low, c[r][0]);
			_mm256_maskstore_ps(at + 8, high, c[r][1]);
		}
	}
}

/* The block += sum over k < n of a(row, k) b(k, column). */
static inline void block_add(struct place p, struct left a, struct right b,
			     size_t n)
{
	__m256 c[BLOCK_ROWS][2];

	block_load(c, p);
	chains(c, a, b, n);
	block_store(c, p);
}

/* dst (n, wide) = rows of x (n, d); the columns from d on are zeros. */
static inline void tile_copy(float *dst, size_t wide, const float *x,
			     size_t stride, size_t n, size_t d)
{
	for (size_t i = 0; i < n; i++, dst += wide, x += stride) {
		memcpy(dst, x, d * sizeof(*dst));
		memset(dst + d, 0, (wide - d) * sizeof(*dst));
	}
}

static inline void transpose8(float *dst, size_t wide, const float *x,
			      size_t stride)
{
	__m256 r[8], t[8];

	for (size_t i = 0; i < 8; i++)
		r[i] = _mm256_loadu_ps(x + i * stride);
	for (size_t i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
		t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
	}
	for (size_t i = 0; i < 8; i += 4) {
		r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
		r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
		r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
		r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
	}
	for (size_t i = 0; i < 4; i++) {
		_mm256_storeu_ps(dst + i * wide,
				 _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
		_mm256_storeu_ps(dst + (i + 4) * wide,
				 _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
	}
}

/* dst (d, wide) = the transpose of x (n, d); the columns from n on are zeros.
 * wide is a multiple of 8. */
static inline void tile_transpose(float *dst, size_t wide, const float *x,
				  size_t stride, size_t n, size_t d)
{
	size_t n8 = n & ~(size_t)7, d8 = d & ~(size_t)7;

	for (size_t i = 0; i < n8; i += 8)
		for (size_t j = 0; j < d8; j += 8)
			transpose8(dst + j * wide + i, wide,
				   x + i * stride + j, stride);
	for (size_t j = 0; j < d; j++) {
		for (size_t i = j < d8 ? n8 : 0; i < n; i++)
			dst[j * wide + i] = x[i * stride + j];
		memset(dst + j * wide + n, 0, (wide - n) * sizeof(*dst));
	}
}

/* Is lane i of [first, first + 8) in [low, high)? */
static inline __m256 seen(size_t first, size_t low, size_t high)
{
	const __m256i i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
	__m256i at = _mm256_add_epi32(i, _mm256_set1_epi32((int)first));
	__m256i before = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)low), at);
	__m256i in = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)high), at);

	return _mm256_castsi256_ps(_mm256_andnot_si256(before, in));
}

/* Keys [low, high) of a tile that starts at key tile, of the keys that query
 * at sees; low == high: none. */
struct span {
	size_t low, high;
};

static inline struct span span_of(const struct attention *a, size_t at,
				  size_t tile, size_t size)
{
	size_t first = attention_first(a, at);
	struct span s = { first > tile ? size_min(first - tile, size) : 0,
			  at >= tile ? size_min(at + 1 - tile, size) : 0 };

	if (s.low > s.high)
		s.low = s.high;
	return s;
}

#endif
