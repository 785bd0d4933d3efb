/* Early outputs of a product: the same bits as products one after another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "kernel/gemm.h"

#include "levels.h"

static uint32_t state = 1;

static float noise(void)
{
	state = state * 1664525u + 1013904223u;
	return (float)(int32_t)state * 0x1p-31f;
}

static float *numbers(size_t n)
{
	float *x = malloc((n + 1) * sizeof(*x));

	assert_non_null(x);
	for (size_t i = 0; i < n; i++)
		x[i] = noise();
	return x;
}

static void *aligned(size_t bytes)
{
	void *p = aligned_alloc(64, size_align(bytes + 1, 64));

	assert_non_null(p);
	memset(p, 0xff, bytes);
	return p;
}

/* y = x W^T + s x A^T B^T, with h = s x A^T early or by itself: (m, n), and two
 * adapters of rank r. */
static void check_early(size_t m, size_t n, size_t k, size_t r, size_t lanes)
{
	float *x = numbers(m * k), *w = numbers(n * k), *a = numbers(2 * r * k);
	float *b = numbers(n * r), *h[2], *y[2];
	const struct gemm_dense dw = { w, n, k, k }, db = { b, n, r, r };
	const struct gemm_dense da[] = { { a, r, k, k },
					 { a + r * k, r, k, k } };
	struct pool *pool;
	void *space;

	assert_int_equal(pool_new(&pool, lanes), 0);
	space = aligned(gemm_space(pool, m, k + 2 * r, 3));
	for (int early = 0; early < 2; early++) {
		struct gemm_output o[3] = { { .stride = n, .n = n,
					      .nterm = 3 } };

		h[early] = numbers(2 * m * r);
		o[0].y = y[early] = numbers(m * n);
		o[0].term[1] = (struct gemm_term){ x, k, k, gemm_pack_dense,
						   &dw, GEMM_NT, NULL };
		for (size_t i = 0; i < 2; i++) {
			o[1 + i] = (struct gemm_output){
				.y = h[early] + i * m * r, .stride = r, .n = r,
				.early = 1, .scale = 1.7f, .nterm = 1,
				.term = { { x, k, k, gemm_pack_dense, &da[i],
					    GEMM_NT, NULL } },
			};
			o[0].term[2 * i] = (struct gemm_term){
				o[1 + i].y, r, r, gemm_pack_dense, &db,
				GEMM_NT, NULL,
			};
		}
		if (early) {
			gemm(pool, space, m, o, 3);
			continue;
		}
		for (size_t i = 1; i < 3; i++) {
			o[i].early = 0;
			gemm(pool, space, m, &o[i], 1);
			for (size_t e = 0; e < m * r; e++)
				o[i].y[e] *= o[i].scale;
		}
		gemm(pool, space, m, o, 1);
	}
	assert_memory_equal(h[0], h[1], 2 * m * r * sizeof(float));
	assert_memory_equal(y[0], y[1], m * n * sizeof(float));
	pool_free(pool);
	free(space);
	for (int i = 0; i < 2; i++) {
		free(h[i]);
		free(y[i]);
	}
	free(x);
	free(w);
	free(a);
	free(b);
}

static void test_early_outputs_are_there_for_the_others(void **arg)
{
	(void)arg;
	check_early(1, 30, 50, 3, 1);
	check_early(7, 200, 193, 8, 2);
	check_early(131, 576, 64, 30, 3);
	check_early(600, 16, 8192, 3, 2); /* more than a block of rows */
}

/* One by itself, of a k that is cut, is scaled once, too. */
static void test_one_alone_is_scaled_once(void **arg)
{
	enum { M = 600, K = 8192, R = 3 };
	float *x = numbers(M * K), *a = numbers(R * K), *h = numbers(M * R);
	float *want = numbers(M * R);
	const struct gemm_dense da = { a, R, K, K };
	struct gemm_output o = {
		.y = want, .stride = R, .n = R, .scale = 1.7f, .nterm = 1,
		.term = { { x, K, K, gemm_pack_dense, &da, GEMM_NT, NULL } },
	};
	struct pool *pool;
	void *space;

	(void)arg;
	assert_int_equal(pool_new(&pool, 2), 0);
	space = aligned(gemm_space(pool, M, K, 1));
	gemm(pool, space, M, &o, 1);
	for (size_t i = 0; i < M * R; i++)
		want[i] *= o.scale;
	o.early = 1;
	o.y = h;
	gemm(pool, space, M, &o, 1);
	assert_memory_equal(h, want, M * R * sizeof(float));
	pool_free(pool);
	free(space);
	free(x);
	free(a);
	free(h);
	free(want);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_early_outputs_are_there_for_the_others),
		cmocka_unit_test(test_one_alone_is_scaled_once),
	};

	(void)argc;
	return each_level(cmocka_run_group_tests(tests, NULL, NULL), argv);
}
