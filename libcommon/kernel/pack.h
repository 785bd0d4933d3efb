/*
 * pack - stored numbers to the panels that gemm() reads (see gemm_pack_fn)
 *
 * nk and nn are the block's k and columns; src is its first element, stride
 * the elements from one stored row to the next. _nt: a stored row is a column
 * of the block; _nn: a stored row is a k of it.
 */
#ifndef KERNEL_PACK_H
#define KERNEL_PACK_H

#include <stddef.h>
#include <stdint.h>

typedef void pack_f32_fn(float *dst, const float *src, size_t stride,
			 size_t nk, size_t nn);
typedef pack_f32_fn pack_f32_nt_fn, pack_f32_nn_fn;
pack_f32_fn pack_f32_nt_c, pack_f32_nn_c, pack_f32_nt_avx2, pack_f32_nn_avx2;

typedef void pack_half_fn(float *dst, const uint16_t *src, size_t stride,
			  size_t nk, size_t nn);
typedef pack_half_fn pack_bf16_nt_fn, pack_bf16_nn_fn, pack_f16_nt_fn,
	pack_f16_nn_fn;
pack_half_fn pack_bf16_nt_c, pack_bf16_nn_c, pack_f16_nt_c, pack_f16_nn_c,
	pack_bf16_nt_avx2, pack_bf16_nn_avx2, pack_f16_nt_avx2,
	pack_f16_nn_avx2;

/*
 * One row of x times the block of _nt, without panels: y[j] is increased by, or
 * with first is, for each GEMM_KC of nk in order, a chain of fma from 0 up.
 */
typedef void dot_f32_fn(float *y, const float *x, const float *src,
			size_t stride, size_t nk, size_t nn, int first);
dot_f32_fn dot_f32_c, dot_f32_avx2;

typedef void dot_half_fn(float *y, const float *x, const uint16_t *src,
			 size_t stride, size_t nk, size_t nn, int first);
typedef dot_half_fn dot_bf16_fn, dot_f16_fn;
dot_half_fn dot_bf16_c, dot_f16_c, dot_bf16_avx2, dot_f16_avx2,
	dot_bf16_avx512;

/*
 * Codes of 4 bits, the first of two in the high nibble; rows begin at a byte.
 * A value is book[code] * scale. A scale is for unit consecutive codes of a
 * row; unit is 32 or a larger power of two.
 *
 * _nt: nk is a multiple of 32, the block begins at a unit's first code, and
 * the scale of (k, j) is scale[k / unit * scale_stride + j]; scale has zeros
 * for the columns that fill up the last panel.
 * _nn: nn is even, the block begins at code phase of a unit, a multiple of 8,
 * and the scale of (k, j) is scale[k * scale_stride + (phase + j) / unit].
 */
struct pack_code4 {
	const uint8_t *code;
	size_t stride;          /* bytes from a row to the next */
	const float *book;      /* 16 */
	const float *scale;
	size_t scale_stride, unit, phase;
};

typedef void pack_code4_fn(float *dst, const struct pack_code4 *from,
			   size_t nk, size_t nn);
typedef pack_code4_fn pack_code4_nt_fn, pack_code4_nn_fn;
pack_code4_fn pack_code4_nt_c, pack_code4_nn_c, pack_code4_nt_avx2,
	pack_code4_nn_avx2, pack_code4_nt_avx512, pack_code4_nn_avx512;

/*
 * As dot_f32, of the block of _nt, for whole numbers and GGUF's blocks too. s
 * is in scale and p in plus, which is laid out as scale is; both have
 * DOT_COLUMNS columns more than nn, of any numbers. Each operation is rounded.
 * 32 codes lie together, gap bytes before the next 32 of the row.
 */
enum { DOT_COLUMNS = 48 };

enum code4_form {
	/* Codes i and i + 1 share a byte, the first in its high half. */
	CODE4_PAIRS,            /* book[c] s */
	CODE4_PAIRS_LESS,       /* (book[c] - p) s */
	CODE4_PAIRS_PLUS,       /* book[c] s + p */

	/* Of 32, i and i + 16 do, the first in its low half. */
	CODE4_HALVES,           /* book[c] s */
	CODE4_HALVES_PLUS,      /* book[c] s + p */
};

struct dot_code4 {
	struct pack_code4 from;
	enum code4_form form;
	size_t gap;
	const float *plus;      /* NULL: the form has none */
};

typedef void dot_code4_fn(float *y, const float *x,
			  const struct dot_code4 *d, size_t nk, size_t nn,
			  int first);
dot_code4_fn dot_code4_c, dot_code4_avx2, dot_code4_avx512;

/* Is p added? */
static inline int adds_plus(enum code4_form form)
{
	return form == CODE4_PAIRS_PLUS || form == CODE4_HALVES_PLUS;
}

static inline int has_plus(enum code4_form form)
{
	return form == CODE4_PAIRS_LESS || adds_plus(form);
}

/* The unit that k is of; a division would take longer than 32 codes do. */
static inline size_t code4_unit(const struct pack_code4 *f, size_t k)
{
	return k >> __builtin_ctzl(f->unit);
}

/* Where the 32 codes begin, in bytes from the row's first, that k is of. */
static inline size_t dot_code4_at(const struct dot_code4 *d, size_t k)
{
	return k / 32 * (16 + d->gap);
}

/* As they lie: nunit units, each of one scale and unit codes, which is a
 * multiple of 32 here. */
typedef void decode_code4_fn(float *dst, const uint8_t *code,
			     const float *book, const float *scale,
			     size_t nunit, size_t unit);
decode_code4_fn decode_code4_c, decode_code4_avx2, decode_code4_avx512;

/* Scales that are quantised once more: dst[i] = book[code[i]] by + offset,
 * each operation rounded; the book has 256. */
typedef void decode_dyn8_fn(float *dst, const uint8_t *code, const float *book,
			    float by, float offset, size_t n);
decode_dyn8_fn decode_dyn8_c, decode_dyn8_avx512;

/*
 * Codes of a byte, unsigned, which blocks and packed integers are unpacked to
 * (kernel/blocks.h). A value of code c is made with s and p of its unit, 16 or
 * 32 codes of a row, and is (c - p) s or c s + p, each operation rounded.
 * s is in scale, p in plus, which are laid out as pack_code4's scale is; _nn:
 * the panels of dst lie panel floats apart, and nn is a multiple of 8.
 */
enum code8_form { CODE8_LESS, CODE8_PLUS };

struct pack_code8 {
	const uint8_t *code;
	size_t stride;          /* bytes from a row to the next */
	enum code8_form form;
	const float *scale, *plus;
	size_t scale_stride, unit, phase;
};

typedef void pack_code8_nt_fn(float *dst, const struct pack_code8 *from,
			      size_t nk, size_t nn);
pack_code8_nt_fn pack_code8_nt_c, pack_code8_nt_avx2, pack_code8_nt_avx512;

typedef void pack_code8_nn_fn(float *dst, size_t panel,
			      const struct pack_code8 *from, size_t nk,
			      size_t nn);
pack_code8_nn_fn pack_code8_nn_c, pack_code8_nn_avx2;

/* As dot_code4; scale and plus have DOT_COLUMNS columns. */
typedef void dot_code8_fn(float *y, const float *x,
			  const struct pack_code8 *from, size_t nk, size_t nn,
			  int first);
dot_code8_fn dot_code8_c, dot_code8_avx2, dot_code8_avx512;

/* dst (cols, rows), its rows stride floats apart, = src (rows, cols) turned. */
typedef void transpose_fn(float *dst, size_t stride, const float *src,
			  size_t rows, size_t cols);
transpose_fn transpose_c, transpose_avx512;

/* As they lie: n codes, a multiple of 32, whose first is a unit's first. */
typedef void decode_code8_fn(float *dst, const struct pack_code8 *from,
			     size_t n);
decode_code8_fn decode_code8_c, decode_code8_avx2;

#endif
