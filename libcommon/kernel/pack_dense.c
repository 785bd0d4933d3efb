#include "kernel/pack.h"

#include <math.h>

#include "base/half.h"
#include "kernel/gemm.h"

static float f32_from_f32(float x)
{
	return x;
}

/* Where column j of k 0 stands. */
static inline float *column(float *dst, size_t nk, size_t j)
{
	return dst + j / GEMM_NR * GEMM_NR * nk + j % GEMM_NR;
}

static inline size_t all_columns(size_t nn)
{
	return (nn + GEMM_NR - 1) / GEMM_NR * GEMM_NR;
}

#define PACK_NT(name, type, decode)                                        \
	void name(float *dst, const type *src, size_t stride, size_t nk,   \
		  size_t nn)                                               \
	{                                                                  \
		for (size_t j = 0; j < all_columns(nn); j++) {             \
			float *to = column(dst, nk, j);                    \
                                                                           \
			for (size_t k = 0; k < nk; k++)                    \
				to[k * GEMM_NR] = j < nn ?                 \
					decode(src[j * stride + k]) : 0;   \
		}                                                          \
	}

#define PACK_NN(name, type, decode)                                        \
	void name(float *dst, const type *src, size_t stride, size_t nk,   \
		  size_t nn)                                               \
	{                                                                  \
		for (size_t k = 0; k < nk; k++, src += stride)             \
			for (size_t j = 0; j < all_columns(nn); j++)       \
				column(dst, nk, j)[k * GEMM_NR] =          \
					j < nn ? decode(src[j]) : 0;       \
	}

PACK_NT(pack_f32_nt_c, float, f32_from_f32)
PACK_NN(pack_f32_nn_c, float, f32_from_f32)
PACK_NT(pack_bf16_nt_c, uint16_t, f32_from_bf16)
PACK_NN(pack_bf16_nn_c, uint16_t, f32_from_bf16)
PACK_NT(pack_f16_nt_c, uint16_t, f32_from_f16)
PACK_NN(pack_f16_nn_c, uint16_t, f32_from_f16)

#define DOT(name, type, decode)                                            \
	void name(float *y, const float *x, const type *src,               \
		  size_t stride, size_t nk, size_t nn, int first)          \
	{                                                                  \
		for (size_t j = 0; j < nn; j++, src += stride)             \
			for (size_t k0 = 0; k0 < nk; k0 += GEMM_KC) {      \
				float sum = 0;                             \
                                                                           \
				for (size_t k = k0; k < nk &&              \
						    k < k0 + GEMM_KC; k++) \
					sum = fmaf(x[k], decode(src[k]),   \
						   sum);                   \
				y[j] = first && !k0 ? sum : y[j] + sum;    \
			}                                                  \
	}

DOT(dot_f32_c, float, f32_from_f32)
DOT(dot_bf16_c, uint16_t, f32_from_bf16)
DOT(dot_f16_c, uint16_t, f32_from_f16)

void transpose_c(float *dst, size_t stride, const float *src, size_t rows,
		 size_t cols)
{
	for (size_t j = 0; j < cols; j++)
		for (size_t i = 0; i < rows; i++)
			dst[j * stride + i] = src[i * cols + j];
}
