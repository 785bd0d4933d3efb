/*
 * gemm_bf16 - the inner loops of gemm() for terms that are computed in bf16
 *
 * Panels are those of gemm_tile.h, but in a float's place there are the 32
 * bits of a pair: elements k (low half) and k + 1 of a row of X or a column of
 * W, for even k, as bf16; (kc + 1) / 2 pairs where there were kc floats, and
 * zero in place of a k that is not there.
 *
 * A rounding to bf16 is to the nearest, ties to even, and first makes
 * denormals zero. Those are the bits of AVX512-BF16's instructions (Intel's
 * manual, VCVTNE2PS2BF16 and VDPBF16PS).
 */
#ifndef KERNEL_GEMM_BF16_H
#define KERNEL_GEMM_BF16_H

#include <stddef.h>

/*
 * As gemm_block, but kc counts pairs, and one pair moves the chain on by two
 * fused multiply-adds: of the odd elements, and then of the even ones. Each
 * reads a denormal as zero, and makes zero of a result that is smaller than
 * all normal numbers after it is rounded (to 24 bits, whatever its exponent).
 * Zeros keep their sign. The addition to y is an ordinary one.
 */
typedef void gemm_block_bf16_fn(float *y, size_t stride, size_t m, size_t n,
				const float *x, const float *w, size_t kc,
				int first);
gemm_block_bf16_fn gemm_block_bf16_c, gemm_block_bf16_avx2,
	gemm_block_bf16_avx512bf16;

/* x (m, kc) into panels of pairs; as gemm_pack_x. */
typedef void gemm_pack_x_bf16_fn(float *dst, const float *x, size_t stride,
				 size_t m, size_t kc);
gemm_pack_x_bf16_fn gemm_pack_x_bf16_c, gemm_pack_x_bf16_avx512bf16;

/* n panels of W, as a gemm_pack_fn leaves them, to panels of pairs, in place:
 * so whatever can be packed can be packed in pairs. */
typedef void gemm_pair_w_fn(float *panel, size_t n, size_t kc);
gemm_pair_w_fn gemm_pair_w_c, gemm_pair_w_avx512bf16;

#endif
