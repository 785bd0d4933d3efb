/*
 * attend_avx512 - what attention's two directions are built from
 *
 * Products are made of blocks of six rows and one to four registers of sixteen
 * columns: up to 24 accumulators, each element one chain of fma. Tiles lie in
 * scratch, their rows padded with zeros to a multiple of sixteen columns.
 */
#ifndef KERNEL_ATTEND_AVX512_H
#define KERNEL_ATTEND_AVX512_H

#include "base/size.h"
#include "kernel/attention.h"
#include "kernel/lanes_avx512.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { BLOCK_ROWS = 6, VECTOR = 16, BLOCK_VECTORS = 4 };

/* Calls f(..., v) with v, 1 to BLOCK_VECTORS, as a constant. */
#define WITH_VECTORS(v, f, ...)                         \
	do {                                            \
		switch (v) {                            \
		case 1: f(__VA_ARGS__, 1); break;       \
		case 2: f(__VA_ARGS__, 2); break;       \
		case 3: f(__VA_ARGS__, 3); break;       \
		default: f(__VA_ARGS__, 4); break;      \
		}                                       \
	} while (0)

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

typedef __m512 block[BLOCK_ROWS][BLOCK_VECTORS];

/* c[row] += sum over k < n, upward, of left(row, k) right(k, columns), for the
 * first rows; here and below, rows and vectors are constants. */
INLINE void chains_of(block c, struct left a, struct right b, size_t n,
		      int rows, int vectors)
{
	const float *x = a.at, *y = b.at;

	for (size_t k = 0; k < n; k++, x += a.along, y += b.stride) {
		__m512 w[BLOCK_VECTORS];
		const float *row = x;

#pragma GCC unroll 4
		for (int j = 0; j < vectors; j++)
			w[j] = _mm512_loadu_ps(y + VECTOR * j);
#pragma GCC unroll 6
		for (int r = 0; r < rows; r++, row += a.down) {
			__m512 v = _mm512_set1_ps(*row);

#pragma GCC unroll 4
			for (int j = 0; j < vectors; j++)
				c[r][j] = _mm512_fmadd_ps(v, w[j], c[r][j]);
		}
	}
}

INLINE void chains(block c, struct left a, struct right b, size_t n,
		   int vectors)
{
	chains_of(c, a, b, n, BLOCK_ROWS, vectors);
}

INLINE void block_zero(block c, int vectors)
{
#pragma GCC unroll 6
	for (int r = 0; r < BLOCK_ROWS; r++)
#pragma GCC unroll 4
		for (int j = 0; j < vectors; j++)
			c[r][j] = _mm512_setzero_ps();
}

/* A block of a matrix in memory: the first rows rows and cols columns of it
 * are there. */
struct place {
	float *at;
	size_t stride, rows, cols;
};

INLINE __mmask16 columns_from(struct place p, int vector)
{
	size_t first = (size_t)vector * VECTOR;

	return mask16(p.cols > first ? p.cols - first : 0);
}

/* The block += sum over k < n of a(row, k) b(k, column). */
INLINE void block_add(struct place p, struct left a, struct right b, size_t n,
		      int vectors)
{
	block c;

#pragma GCC unroll 6
	for (size_t r = 0; r < BLOCK_ROWS; r++)
#pragma GCC unroll 4
		for (int j = 0; j < vectors; j++)
			c[r][j] = _mm512_maskz_loadu_ps(
				r < p.rows ? columns_from(p, j) : 0,
				p.at + r * p.stride + VECTOR * j);
	chains(c, a, b, n, vectors);
#pragma GCC unroll 6
	for (size_t r = 0; r < BLOCK_ROWS; r++)
#pragma GCC unroll 4
		for (int j = 0; j < vectors; j++)
			if (r < p.rows)
				_mm512_mask_storeu_ps(
					p.at + r * p.stride + VECTOR * j,
					columns_from(p, j), c[r][j]);
}

/* Registers that hold n columns, of a block. */
static inline int vectors_of(size_t n)
{
	return (int)size_min(size_ceil(n, VECTOR), BLOCK_VECTORS);
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

/* Four rows apart by four, one in each lane; rows from n on are zeros. */
INLINE __m512 four_rows(const float *x, size_t stride, size_t n,
			__mmask16 cols)
{
	const float *at[4];
	__mmask8 m[4];

#pragma GCC unroll 4
	for (size_t i = 0; i < 4; i++) {
		m[i] = (__mmask8)(4 * i < n ? cols & 15 : 0);
		at[i] = x + 4 * i * stride;
	}
	return _mm512_insertf32x8(
		_mm512_castps256_ps512(_mm256_insertf128_ps(
			_mm256_castps128_ps256(_mm_maskz_loadu_ps(m[0], at[0])),
			_mm_maskz_loadu_ps(m[1], at[1]), 1)),
		_mm256_insertf128_ps(
			_mm256_castps128_ps256(_mm_maskz_loadu_ps(m[2], at[2])),
			_mm_maskz_loadu_ps(m[3], at[3]), 1), 1);
}

/* Four columns of sixteen rows: dst (4, wide); rows from n, and columns that
 * are not in cols, are zeros. */
INLINE void turn(float *dst, size_t wide, const float *x, size_t stride,
		 size_t n, __mmask16 cols)
{
	__m512 r[4], a, b, c, d;

#pragma GCC unroll 4
	for (size_t i = 0; i < 4; i++)
		r[i] = four_rows(x + i * stride, stride, n > i ? n - i : 0,
				 cols);
	a = _mm512_unpacklo_ps(r[0], r[1]);
	b = _mm512_unpackhi_ps(r[0], r[1]);
	c = _mm512_unpacklo_ps(r[2], r[3]);
	d = _mm512_unpackhi_ps(r[2], r[3]);
	_mm512_storeu_ps(dst, _mm512_shuffle_ps(a, c, 0x44));
	if (cols & 2)
		_mm512_storeu_ps(dst + wide, _mm512_shuffle_ps(a, c, 0xee));
	if (cols & 4)
		_mm512_storeu_ps(dst + 2 * wide, _mm512_shuffle_ps(b, d, 0x44));
	if (cols & 8)
		_mm512_storeu_ps(dst + 3 * wide, _mm512_shuffle_ps(b, d, 0xee));
}

/* What is read next, of two matrices: a row for each that is turned. */
struct ahead {
	const float *at[2];     /* NULL: nothing */
	size_t stride[2];
};

INLINE void ask(const struct ahead *a, size_t row, size_t d)
{
#pragma GCC unroll 2
	for (int i = 0; i < 2; i++)
		for (size_t j = 0; a->at[i] && j < d; j += VECTOR)
			_mm_prefetch((const char *)((uintptr_t)a->at[i] +
				     (row * a->stride[i] + j) * sizeof(float)),
				     _MM_HINT_T1);
}

/* dst (d, wide) = the transpose of x (n, d); the columns from n on are zeros.
 * wide is a multiple of 16. Few at a time, as memory gives them, the rows
 * ahead are asked for. */
INLINE void tile_turn(float *dst, size_t wide, const float *x, size_t stride,
		      size_t n, size_t d, struct ahead ahead)
{
	size_t n16 = n & ~(size_t)(VECTOR - 1), d4 = d & ~(size_t)3;

	for (size_t i = 0; i < wide; i += VECTOR) {
		const float *row = x + i * stride;
		size_t left = i < n ? n - i : 0;

		for (size_t j = 0; i < n16 && j < d4; j += 4) {
			if (j / 4 < VECTOR)
				ask(&ahead, i + j / 4, d);
			turn(dst + j * wide + i, wide, row + j, stride, 16, 15);
		}
		for (size_t j = i < n16 ? d4 : 0; j < d; j += 4)
			turn(dst + j * wide + i, wide, row + j, stride, left,
			     mask16(d - j));
	}
}

static inline void tile_transpose(float *dst, size_t wide, const float *x,
				  size_t stride, size_t n, size_t d)
{
	struct ahead none = { { NULL, NULL }, { 0, 0 } };

	tile_turn(dst, wide, x, stride, n, d, none);
}

/* The lanes of [first, first + 16) in [low, high). */
static inline __mmask16 seen(size_t first, size_t low, size_t high)
{
	unsigned to = mask16(high > first ? high - first : 0);

	return (__mmask16)(to & ~(unsigned)mask16(low > first ? low - first :
							       0));
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
