#include "kernel/pack.h"

#include <math.h>

#include "base/size.h"
#include "kernel/gemm.h"

/* at: where the s and p of the code stand. */
static float value(const struct pack_code8 *f, uint8_t code, size_t at)
{
	float c = code, s = f->scale[at], p = f->plus[at];

	return f->form == CODE8_LESS ? (c - p) * s : c * s + p;
}

static float value_nt(const struct pack_code8 *f, size_t k, size_t j)
{
	return value(f, f->code[j * f->stride + k],
		     k / f->unit * f->scale_stride + j);
}

static float value_nn(const struct pack_code8 *f, size_t k, size_t j)
{
	return value(f, f->code[k * f->stride + j],
		     k * f->scale_stride + (f->phase + j) / f->unit);
}

void pack_code8_nt_c(float *dst, const struct pack_code8 *f, size_t nk,
		     size_t nn)
{
	for (size_t n0 = 0; n0 < nn; n0 += GEMM_NR)
		for (size_t k = 0; k < nk; k++)
			for (size_t j = n0; j < n0 + GEMM_NR; j++)
				*dst++ = j < nn ? value_nt(f, k, j) : 0;
}

void pack_code8_nn_c(float *dst, size_t panel, const struct pack_code8 *f,
		     size_t nk, size_t nn)
{
	for (size_t n0 = 0; n0 < nn; n0 += GEMM_NR, dst += panel)
		for (size_t k = 0; k < nk; k++)
			for (size_t j = 0; j < GEMM_NR; j++)
				dst[k * GEMM_NR + j] = n0 + j < nn ?
					value_nn(f, k, n0 + j) : 0;
}

void dot_code8_c(float *y, const float *x, const struct pack_code8 *f,
		 size_t nk, size_t nn, int first)
{
	for (size_t j = 0; j < nn; j++)
		for (size_t k0 = 0; k0 < nk; k0 += GEMM_KC) {
			size_t end = size_min(k0 + GEMM_KC, nk);
			float sum = 0;

			for (size_t k = k0; k < end; k++)
				sum = fmaf(x[k], value_nt(f, k, j), sum);
			y[j] = first && !k0 ? sum : y[j] + sum;
		}
}

void decode_code8_c(float *dst, const struct pack_code8 *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = value_nn(f, 0, i);
}
