/*
 * gemm - the product that training spends its time in
 *
 * An output Y (m, n) is a sum of terms, each X (m, k) times a matrix of shape
 * (k, n) that is never stored in that form: its pack function writes blocks of
 * it, decoded, straight into the layout that the inner loop reads. So a 4-bit
 * weight costs what an f32 weight costs. Y may be several outputs with one X
 * (q, k, v), which is then packed once; terms let LoRA ride along: y = x W^T +
 * h B^T is two terms of one output, dx = dy W + dh A likewise, and dx of a
 * group of weights is a term for each.
 *
 * Bits: for every term in order, and within it for every block of GEMM_KC
 * consecutive k (the last may be short), y is increased by one chain of fused
 * multiply-adds that starts from 0 and goes up in k. Nothing else: neither
 * tile, vector width, thread count nor how columns are cut can change it. So
 * plain C, AVX2 and AVX-512 agree bit for bit.
 *
 * A term can be computed in bf16 instead (GEMM_BF16): x and the decoded matrix
 * are rounded to it, sums stay f32, and a chain goes up in pairs of k, as
 * kernel/gemm_bf16.h says. That is another result, the same everywhere.
 */
#ifndef KERNEL_GEMM_H
#define KERNEL_GEMM_H

#include "base/par.h"

#include <stddef.h>

enum {
	GEMM_KC = 192,          /* k in a block; part of the definition */
	GEMM_NR = 24,           /* columns of a packed panel */
	GEMM_MR = 4,            /* rows of a packed panel of X */
};

/*
 * How a stored matrix W (rows, cols) is used. GEMM_NT: as W^T, so k runs along
 * its cols and n along its rows (forward, y = x W^T). GEMM_NN: as itself, k
 * along rows, n along cols (backward, dx = dy W).
 */
enum gemm_use { GEMM_NT, GEMM_NN };

/*
 * Writes elements k0 <= k < k1, n0 <= n < n1 of the used matrix as panels of
 * GEMM_NR columns: panel p at dst + p * GEMM_NR * (k1 - k0) holds
 * dst[(k - k0) * GEMM_NR + j] for column n0 + p * GEMM_NR + j, and zeros for
 * columns that reach n1. n0 is a multiple of GEMM_NR, k0 of GEMM_KC, and k1
 * at most GEMM_KC above it; dst is 64-byte aligned. Called from several threads
 * at once.
 */
typedef void gemm_pack_fn(const void *w, float *dst, size_t k0, size_t k1,
			  size_t n0, size_t n1, enum gemm_use use);

/*
 * The product of one row, without panels, for GEMM_NT: y[n - n0], for n0 <= n
 * < n1, is increased by (first: is) the product of all of x and row n of W, by
 * the chains that are said above. n0 is a multiple of GEMM_NR.
 */
typedef void gemm_dot_fn(const void *w, float *y, const float *x, size_t n0,
			 size_t n1, int first);

enum gemm_compute { GEMM_F32, GEMM_BF16 };

struct gemm_term {
	const float *x;         /* (m, k) */
	size_t stride;          /* floats from a row of x to the next */
	size_t k;
	gemm_pack_fn *pack;
	const void *w;
	enum gemm_use use;
	gemm_dot_fn *dot;       /* or NULL: one row goes through pack, too;
				 * for f32 */
	enum gemm_compute compute;
	size_t k0;              /* of W's k, the one that x begins with; a
				 * multiple of GEMM_KC, mostly 0 */
};

enum { GEMM_TERMS = 16, GEMM_OUTPUTS = 8 };

struct gemm_output {
	float *y;               /* (m, n) */
	size_t stride, n;
	int add;                /* add to y; 0: y is overwritten */
	size_t nterm;
	struct gemm_term term[GEMM_TERMS];
	int early;              /* computed before those that are not, which
				 * may have y (and its stride) as an x ... */
	float scale;            /* ... and multiplied by this in the end */
};

/* The columns that X (m, k) counts for, packed. One that is used in f32 and in
 * bf16 is packed twice. */
static inline size_t gemm_columns(size_t k, enum gemm_compute c)
{
	return c == GEMM_BF16 ? k / 2 + k % 2 : k;
}

/* Bytes of work space that gemm() needs, for any product whose m is at most m
 * and whose distinct X count for at most ksum columns together, and which has
 * at most nout outputs: for one alone, a long k is packed piece by piece. */
size_t gemm_space(const struct pool *pool, size_t m, size_t ksum, size_t nout);

/* The outputs may not overlap each other nor any x, but for an early one's y.
 * space: 64-byte aligned. */
void gemm(struct pool *pool, void *space, size_t m,
	  const struct gemm_output *out, size_t nout);

/* Packs a dense row-major f32 matrix; w is a struct gemm_dense. */
struct gemm_dense {
	const float *at;
	size_t rows, cols, stride;
};

gemm_pack_fn gemm_pack_dense;

/*
 * The weight gradient: g (a, b) += P^T Q with P (start[n], a) and Q (start[n],
 * b), one of a and b small (LoRA's rank). Sums run over blocks of GEMM_TN_ROWS
 * rows that begin at every start[i], i < n, each block one chain of fma from 0
 * upward, the blocks added to g in order. So it is the same whether sequences
 * come together or one after the other.
 */
enum { GEMM_TN_ROWS = 256 };

void gemm_tn(struct pool *pool, float *g, size_t gstride, const float *p,
	     size_t pstride, size_t a, const float *q, size_t qstride,
	     size_t b, const size_t *start, size_t n);

#endif
