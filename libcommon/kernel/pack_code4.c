#include "kernel/pack.h"

#include <math.h>

#include "base/size.h"
#include "kernel/gemm.h"

static float value(const struct pack_code4 *f, size_t row, size_t col,
		   float scale)
{
	unsigned byte = f->code[row * f->stride + col / 2];

	return f->book[col % 2 ? byte & 15 : byte >> 4] * scale;
}

void pack_code4_nt_c(float *dst, const struct pack_code4 *f, size_t nk,
		     size_t nn)
{
	for (size_t n0 = 0; n0 < nn; n0 += GEMM_NR)
		for (size_t k = 0; k < nk; k++)
			for (size_t j = n0; j < n0 + GEMM_NR; j++)
				*dst++ = j < nn ? value(f, j, k,
					f->scale[k / f->unit * f->scale_stride +
						 j]) : 0;
}

void pack_code4_nn_c(float *dst, const struct pack_code4 *f, size_t nk,
		     size_t nn)
{
	for (size_t n0 = 0; n0 < nn; n0 += GEMM_NR)
		for (size_t k = 0; k < nk; k++)
			for (size_t j = n0; j < n0 + GEMM_NR; j++)
				*dst++ = j < nn ? value(f, k, j,
					f->scale[k * f->scale_stride +
						 (f->phase + j) / f->unit]) : 0;
}

void decode_code4_c(float *dst, const uint8_t *code, const float *book,
		    const float *scale, size_t nunit, size_t unit)
{
	for (size_t u = 0; u < nunit; u++)
		for (size_t i = 0; i < unit; i += 2, code++) {
			*dst++ = book[*code >> 4] * scale[u];
			*dst++ = book[*code & 15] * scale[u];
		}
}

void decode_dyn8_c(float *dst, const uint8_t *code, const float *book,
		   float by, float offset, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = book[code[i]] * by + offset;
}

static unsigned code_of(const struct dot_code4 *d, size_t k, size_t j)
{
	const uint8_t *at = d->from.code + j * d->from.stride +
			    dot_code4_at(d, k);
	size_t i = k % 32;

	if (d->form >= CODE4_HALVES)
		return i < 16 ? at[i] & 15u : at[i - 16] >> 4;
	return i % 2 ? at[i / 2] & 15u : at[i / 2] >> 4;
}

static float dot_value(const struct dot_code4 *d, size_t k, size_t j)
{
	const struct pack_code4 *f = &d->from;
	size_t at = k / f->unit * f->scale_stride + j;
	float v = f->book[code_of(d, k, j)], s = f->scale[at];

	switch (d->form) {
	case CODE4_PAIRS_LESS:
		return (v - d->plus[at]) * s;
	case CODE4_PAIRS_PLUS:
	case CODE4_HALVES_PLUS:
		return v * s + d->plus[at];
	default:
		return v * s;
	}
}

void dot_code4_c(float *y, const float *x, const struct dot_code4 *d,
		 size_t nk, size_t nn, int first)
{
	for (size_t j = 0; j < nn; j++)
		for (size_t k0 = 0; k0 < nk; k0 += GEMM_KC) {
			size_t end = size_min(k0 + GEMM_KC, nk);
			float sum = 0;

			for (size_t k = k0; k < end; k++)
				sum = fmaf(x[k], dot_value(d, k, j), sum);
			y[j] = first && !k0 ? sum : y[j] + sum;
		}
}
