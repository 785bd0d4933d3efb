#include "kernel/gemm_bf16.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "kernel/gemm.h"

static float flushed(float x)
{
	return fabsf(x) < 0x1p-126f ? 0 * x : x;
}

/* Where the result is at the edge of the normal numbers, it is rounded once
 * more from a place where there is none. */
static float multiply_add(float a, float b, float c)
{
	float sum = fmaf(a, b, c);

	if (!(fabsf(sum) <= 0x1p-126f))
		return sum;
	c *= 0x1p64f;
	sum = fabsf(a) < fabsf(b) ? fmaf(a * 0x1p64f, b, c) :
				    fmaf(a, b * 0x1p64f, c);
	return fabsf(sum) < 0x1p-62f ? 0 * sum : sum * 0x1p-64f;
}

static float half_of(uint32_t pair, int odd)
{
	return flushed(f32_from_bits(odd ? pair & 0xffff0000 : pair << 16));
}

static float chain(const float *x, const float *w, size_t kc)
{
	float sum = 0;

	for (; kc > 0; kc--, x += GEMM_MR, w += GEMM_NR) {
		uint32_t a = f32_bits(*x), b = f32_bits(*w);

		sum = multiply_add(half_of(a, 1), half_of(b, 1), sum);
		sum = multiply_add(half_of(a, 0), half_of(b, 0), sum);
	}
	return sum;
}

void gemm_block_bf16_c(float *y, size_t stride, size_t m, size_t n,
		       const float *x, const float *w, size_t kc, int first)
{
	for (size_t i = 0; i < m; i++, y += stride)
		for (size_t j = 0; j < n; j++) {
			float sum = chain(x + i / GEMM_MR * GEMM_MR * kc +
					  i % GEMM_MR,
					  w + j / GEMM_NR * GEMM_NR * kc +
					  j % GEMM_NR, kc);

			y[j] = first ? sum : y[j] + sum;
		}
}

static float pair(float even, float odd)
{
	return f32_from_bits(bf16_from_f32(flushed(even)) |
			     (uint32_t)bf16_from_f32(flushed(odd)) << 16);
}

void gemm_pack_x_bf16_c(float *dst, const float *x, size_t stride, size_t m,
			size_t kc)
{
	for (size_t i = 0; i < m; i += GEMM_MR, x += GEMM_MR * stride)
		for (size_t k = 0; k < kc; k += 2)
			for (size_t r = 0; r < GEMM_MR; r++) {
				const float *at = x + r * stride + k;
				int is = i + r < m;

				*dst++ = pair(is ? at[0] : 0,
					      is && k + 1 < kc ? at[1] : 0);
			}
}

void gemm_pair_w_c(float *panel, size_t n, size_t kc)
{
	float two[2][GEMM_NR], *dst = panel;

	for (; n > 0; n--, panel += GEMM_NR * kc)
		for (size_t k = 0; k < kc; k += 2, dst += GEMM_NR) {
			memset(two, 0, sizeof(two));
			memcpy(two, panel + k * GEMM_NR,
			       k + 1 < kc ? sizeof(two) : sizeof(two[0]));
			for (size_t j = 0; j < GEMM_NR; j++)
				dst[j] = pair(two[0][j], two[1][j]);
		}
}
