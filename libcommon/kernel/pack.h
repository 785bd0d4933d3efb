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
pack_f32_fn pack_f32_nt_c, pack_f32_nn_c;

typedef void pack_half_fn(float *dst, const uint16_t *src, size_t stride,
			  size_t nk, size_t nn);
typedef pack_half_fn pack_bf16_nt_fn, pack_bf16_nn_fn, pack_f16_nt_fn,
	pack_f16_nn_fn;
pack_half_fn pack_bf16_nt_c, pack_bf16_nn_c, pack_f16_nt_c, pack_f16_nn_c;

#endif
