/*
 * gemm_tile - the inner loops of gemm(), on packed panels
 *
 * Packed X: panels of GEMM_MR rows, x[panel * GEMM_MR * kc + k * GEMM_MR + i];
 * packed W: see gemm_pack_fn. Rows and columns past the edge are zeros.
 */
#ifndef KERNEL_GEMM_TILE_H
#define KERNEL_GEMM_TILE_H

#include <stddef.h>

/*
 * y (m, n) += chain over kc of X (m, kc) times W (kc, n): fma from 0, upward
 * in k. first: y = that, and its old value is not read.
 */
typedef void gemm_block_fn(float *y, size_t stride, size_t m, size_t n,
			   const float *x, const float *w, size_t kc,
			   int first);
gemm_block_fn gemm_block_c, gemm_block_avx2, gemm_block_avx512;

/* Packs x (m, kc) into panels; the last one's missing rows become zeros. */
typedef void gemm_pack_x_fn(float *dst, const float *x, size_t stride,
			    size_t m, size_t kc);
gemm_pack_x_fn gemm_pack_x_c, gemm_pack_x_avx2;

/*
 * Carries on the chains of gemm_tn() in sum (nsmall, nwide), whose rows are
 * GEMM_TN_COLS apart: for each of m rows upward, sum[i][j] = fma(small[i],
 * wide[j], sum[i][j]).
 */
enum { GEMM_TN_COLS = 96, GEMM_TN_SMALL = 64 };

struct gemm_rows {
	const float *at;
	size_t stride, n;       /* floats between rows; columns in use */
};

typedef void gemm_tn_block_fn(float *sum, struct gemm_rows small,
			      struct gemm_rows wide, size_t m);
gemm_tn_block_fn gemm_tn_block_c, gemm_tn_block_avx2, gemm_tn_block_avx512;

#endif
