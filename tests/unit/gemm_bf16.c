/* Products in bf16, bit for bit: the instruction's own bits, every level's,
 * and the sum that gemm.h defines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/size.h"
#include "kernel/gemm.h"

#include "levels.h"

static uint32_t state = 1;

static uint32_t bits(void)
{
	state = state * 1664525u + 1013904223u;
	return state ^ state >> 15;
}

static float noise(void)
{
	return (float)(int32_t)bits() * 0x1p-31f;
}

/* At the edge of the normal numbers, on both sides, and far from it. */
static float rough(void)
{
	static const int exponent[] = { -149, -127, -126, -125, -64, -63, -62,
					-60, -1, 0, 3 };
	float x = ldexpf(1 + noise() / 2,
			 exponent[bits() % NELEM(exponent)]);

	return bits() % 16 ? bits() % 2 ? x : -x : 0;
}

static float *numbers(size_t n, float (*next)(void))
{
	float *x = aligned_alloc(64, size_align((n + 1) * sizeof(*x), 64));

	assert_non_null(x);
	for (size_t i = 0; i < n; i++)
		x[i] = next();
	return x;
}

/* ---- the instruction ---- */

/* Pairs of a row and of a column, and what VDPBF16PS makes of them, one after
 * the other, from 0 on: seen on a Zen 4 processor. */
static const struct {
	size_t n;
	uint32_t x[2], w[2], sum;
} seen[] = {
	/* the odd elements first, and a rounding between */
	{ 2, { 0xbfc73f80, 0x3fb63fad }, { 0x3f803c00, 0x3f08bf5e },
	  0xbffb5600 },
	{ 2, { 0x3f803f80, 0xbfd0bf6a }, { 0x40003a91, 0xbf0a3fb7 },
	  0x3fc8fe40 },
	/* the least normal number, less 4 and 5 parts in 2^27 of it */
	{ 2, { 0x3f80, 0x1a80 }, { 0x0080, 0x9900 }, 0x00800000 },
	{ 2, { 0x3f80, 0x1aa0 }, { 0x0080, 0x9900 }, 0 },
	/* a sum that is denormal, and keeps its sign */
	{ 2, { 0x3f80, 0x3f80 }, { 0x0080, 0x8081 }, 0x80000000 },
	{ 2, { 0x3f800000, 0x3f80bf80 }, { 0x00800000, 0x80810080 },
	  0x80800000 },
	/* denormal factors; infinities */
	{ 1, { 0x3f80 }, { 0x0001 }, 0 },
	{ 1, { 0x007f }, { 0x7f00 }, 0 },
	{ 1, { 0x7f807f80 }, { 0x3f803f80 }, 0x7f800000 },
	{ 1, { 0x7f7f7f7f }, { 0xff7f7f7f }, 0xff800000 },
};

static float panel_product(const uint32_t *x, const uint32_t *w, size_t kc)
{
	float a[GEMM_MR * 2] = { 0 }, y;
	_Alignas(64) float b[GEMM_NR * 2] = { 0 };

	for (size_t k = 0; k < kc; k++) {
		a[k * GEMM_MR] = f32_from_bits(x[k]);
		b[k * GEMM_NR] = f32_from_bits(w[k]);
	}
	kernels()->gemm_block_bf16(&y, 1, 1, 1, a, b, kc, 1);
	return y;
}

static void test_a_pair_is_what_processors_make_of_it(void **arg)
{
	(void)arg;
	for (size_t i = 0; i < NELEM(seen); i++) {
		float y = panel_product(seen[i].x, seen[i].w, seen[i].n);

		if (f32_bits(y) != seen[i].sum)
			fail_msg("pair %zu: %08x, not %08x", i, f32_bits(y),
				 seen[i].sum);
	}
}

/* VCVTNEPS2BF16's, by hand: denormals are zero, NaN is quiet. */
static void test_rounding_is_what_processors_do(void **arg)
{
	static const uint32_t from[8] = {
		0x007fffff, 0x807fffff, 0x7f800001, 0xff812345,
		0x7f7fffff, 0x3f808000, 0x3f818000, 0x00800000,
	};
	static const uint32_t want[4] = {
		0x80000000, 0xffc17fc0, 0x3f807f80, 0x00803f82,
	};
	float x[8], dst[4 * GEMM_MR];

	(void)arg;
	memcpy(x, from, sizeof(x));
	kernels()->gemm_pack_x_bf16(dst, x, 0, GEMM_MR, 8);
	for (size_t i = 0; i < 4 * GEMM_MR; i++)
		assert_int_equal(f32_bits(dst[i]), want[i / GEMM_MR]);
}

/* ---- levels ---- */

/* What level c makes, and what the level in use makes. */
static const struct kernels *plain(void)
{
	static struct kernels c;
	int usable;

	kernels_level(0, &c, &usable);
	return &c;
}

static void check_block(size_t m, size_t n, size_t kc, int first,
			float (*next)(void))
{
	size_t panels = size_ceil(n, GEMM_NR), stride = n + 3;
	size_t half = (kc + 1) / 2, rows = size_align(m, GEMM_MR);
	float *x = numbers(rows * kc, next), *w = numbers(panels * GEMM_NR * kc,
							  next);
	float *y = numbers(m * stride, next), *want = numbers(m * stride, next);
	float *px[2], *pw = numbers(panels * GEMM_NR * kc, next);

	for (int i = 0; i < 2; i++) {
		px[i] = numbers(rows * half, next);
		memset(px[i], 0xff, rows * half * sizeof(float));
	}
	plain()->gemm_pack_x_bf16(px[0], x, kc, m, kc);
	kernels()->gemm_pack_x_bf16(px[1], x, kc, m, kc);
	assert_memory_equal(px[0], px[1], rows * half * sizeof(float));
	memcpy(pw, w, panels * GEMM_NR * kc * sizeof(float));
	plain()->gemm_pair_w(pw, panels, kc);
	kernels()->gemm_pair_w(w, panels, kc);
	assert_memory_equal(w, pw, panels * GEMM_NR * half * sizeof(float));
	memcpy(want, y, m * stride * sizeof(float));
	plain()->gemm_block_bf16(want, stride, m, n, px[0], w, half, first);
	kernels()->gemm_block_bf16(y, stride, m, n, px[0], w, half, first);
	assert_memory_equal(y, want, m * stride * sizeof(float));
	free(x);
	free(w);
	free(y);
	free(want);
	free(px[0]);
	free(px[1]);
	free(pw);
}

static void test_levels_agree(void **arg)
{
	(void)arg;
	for (size_t m = 0; m < 19; m++)
		for (size_t n = 1 + m % 3; n < 100; n += 3)
			check_block(m, n, 1 + (m * 5 + n) % 21, n % 2,
				    n % 4 < 2 ? noise : rough);
	for (size_t i = 0; i < 20; i++)
		check_block(24, 120, GEMM_KC, i % 2, i % 4 < 2 ? noise : rough);
}

/* ---- the product ---- */

static float element(const struct gemm_term *t, size_t k, size_t n)
{
	const struct gemm_dense *d = t->w;

	return t->use == GEMM_NT ? d->at[n * d->stride + k] :
				   d->at[k * d->stride + n];
}

static float rounded(float x)
{
	return f32_from_bf16(bf16_from_f32(x));
}

/* gemm.h's definition, of numbers that are no denormals. */
static float chain(const struct gemm_term *t, size_t i, size_t j, size_t k0)
{
	const float *x = t->x + i * t->stride;
	size_t end = size_min(k0 + GEMM_KC, t->k);
	float sum = 0;

	for (size_t k = k0; k < end && t->compute == GEMM_F32; k++)
		sum = fmaf(x[k], element(t, k, j), sum);
	for (size_t k = k0; k < end && t->compute == GEMM_BF16; k += 2) {
		if (k + 1 < end)
			sum = fmaf(rounded(x[k + 1]),
				   rounded(element(t, k + 1, j)), sum);
		sum = fmaf(rounded(x[k]), rounded(element(t, k, j)), sum);
	}
	return sum;
}

static void check_product(size_t m, size_t n, size_t k, enum gemm_use use,
			  size_t lanes)
{
	float *x = numbers(m * k, noise), *w = numbers(n * k, noise);
	float *small = numbers(n * k, noise), *y = numbers(m * n, noise);
	int nt = use == GEMM_NT;
	struct gemm_dense d = { w, nt ? n : k, nt ? k : n, nt ? k : n };
	struct gemm_dense s = { small, nt ? n : k, nt ? k : n, nt ? k : n };
	struct gemm_output o = {
		.y = y, .stride = n, .n = n, .nterm = 3, .term = {
			{ x, k, k, gemm_pack_dense, &d, use, NULL, GEMM_BF16 },
			{ x, k, k, gemm_pack_dense, &s, use, NULL, GEMM_F32 },
			{ x, k, k, gemm_pack_dense, &s, use, NULL, GEMM_BF16 },
		},
	};
	size_t ksum = k + gemm_columns(k, GEMM_BF16), bytes;
	struct pool *pool;
	char *space;

	assert_int_equal(pool_new(&pool, lanes), 0);
	bytes = size_align(gemm_space(pool, m, ksum, 1), 64);
	space = aligned_alloc(64, bytes + 64);
	memset(space, 0xff, bytes + 64);
	gemm(pool, space, m, &o, 1);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal((unsigned char)space[bytes + i], 0xff);
	for (size_t i = 0; i < m; i++)
		for (size_t j = 0; j < n; j++) {
			float want = 0;

			for (size_t t = 0; t < o.nterm; t++)
				for (size_t at = 0; at < k; at += GEMM_KC)
					want += chain(&o.term[t], i, j, at);
			assert_int_equal(f32_bits(y[i * n + j]),
					 f32_bits(want));
		}
	pool_free(pool);
	free(space);
	free(x);
	free(w);
	free(small);
	free(y);
}

static void test_product_is_its_definition(void **arg)
{
	static const struct {
		size_t m, n, k;
	} shapes[] = { { 1, 1, 1 }, { 1, 72, 400 }, { 5, 25, 193 },
		       { 67, 201, 385 }, { 260, 100, 64 }, { 7, 30, 0 } };

	(void)arg;
	for (size_t i = 0; i < NELEM(shapes); i++)
		for (size_t lanes = 1; lanes <= 3; lanes++)
			for (int use = GEMM_NT; use <= GEMM_NN; use++)
				check_product(shapes[i].m, shapes[i].n,
					      shapes[i].k, (enum gemm_use)use,
					      lanes);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_pair_is_what_processors_make_of_it),
		cmocka_unit_test(test_rounding_is_what_processors_do),
		cmocka_unit_test(test_levels_agree),
		cmocka_unit_test(test_product_is_its_definition),
	};

	(void)argc;
	return each_level(cmocka_run_group_tests(tests, NULL, NULL), argv);
}
