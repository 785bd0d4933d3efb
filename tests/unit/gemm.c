/* The matrix product, bit for bit against its definition, at every level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
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

static float element(const struct gemm_term *t, size_t k, size_t n)
{
	const struct gemm_dense *d = t->w;

	return t->use == GEMM_NT ? d->at[n * d->stride + k] :
				   d->at[k * d->stride + n];
}

/* gemm.h's definition, word for word. */
static float defined(const struct gemm_output *o, float old, size_t i,
		     size_t j)
{
	float y = o->add ? old : 0;

	for (size_t t = 0; t < o->nterm; t++) {
		const struct gemm_term *term = &o->term[t];

		for (size_t k0 = 0; k0 < term->k; k0 += GEMM_KC) {
			float sum = 0;

			for (size_t k = k0;
			     k < term->k && k < k0 + GEMM_KC; k++)
				sum = fmaf(term->x[i * term->stride + k],
					   element(term, k, j), sum);
			y += sum;
		}
	}
	return y;
}

struct shape {
	size_t m, nout, n[2], nterm, k[2];
	enum gemm_use use[2];
	int share, add;
};

struct product {
	struct gemm_output out[2];
	struct gemm_dense dense[2][2];
	float *old[2];
};

static void build(struct product *p, const struct shape *s)
{
	memset(p, 0, sizeof(*p));
	for (size_t o = 0; o < s->nout; o++) {
		struct gemm_output *out = &p->out[o];

		*out = (struct gemm_output){ NULL, s->n[o] + 3, s->n[o],
					     s->add, s->nterm, { { 0 } } };
		p->old[o] = numbers(s->m * out->stride);
		for (size_t t = 0; t < s->nterm; t++) {
			size_t k = s->k[t], n = s->n[o];
			int nt = s->use[t] == GEMM_NT;
			struct gemm_dense *d = &p->dense[o][t];

			*d = (struct gemm_dense){ numbers((k + 5) * (n + 5)),
						  nt ? n : k, nt ? k : n,
						  (nt ? k : n) + 2 };
			out->term[t] = (struct gemm_term){
				s->share && o ? p->out[0].term[t].x :
						numbers(s->m * (k + 1)),
				k + 1, k, gemm_pack_dense, d, s->use[t]
			};
		}
	}
}

static void destroy(struct product *p, const struct shape *s)
{
	for (size_t o = 0; o < s->nout; o++) {
		free(p->old[o]);
		for (size_t t = 0; t < s->nterm; t++) {
			free((void *)p->dense[o][t].at);
			if (!s->share || !o)
				free((void *)p->out[o].term[t].x);
		}
	}
}

static void check_run(struct product *p, const struct shape *s, size_t lanes)
{
	size_t ksum = (s->k[0] + s->k[1]) * s->nout;
	struct pool *pool;
	void *space;

	assert_int_equal(pool_new(&pool, lanes), 0);
	space = aligned(gemm_space(pool, s->m, ksum, s->nout));
	for (size_t o = 0; o < s->nout; o++) {
		struct gemm_output *out = &p->out[o];
		size_t bytes = s->m * out->stride * sizeof(float);

		out->y = malloc(bytes + 1);
		memcpy(out->y, p->old[o], bytes);
	}
	gemm(pool, space, s->m, p->out, s->nout);
	for (size_t o = 0; o < s->nout; o++) {
		struct gemm_output *out = &p->out[o];

		for (size_t i = 0; i < s->m; i++)
			for (size_t j = 0; j < out->stride; j++) {
				size_t e = i * out->stride + j;
				float old = p->old[o][e];
				float want = j < out->n ?
					defined(out, old, i, j) : old;

				assert_memory_equal(&out->y[e], &want, 4);
			}
		free(out->y);
	}
	free(space);
	pool_free(pool);
}

static const struct shape shapes[] = {
	{ 1, 1, { 1 }, 1, { 1 }, { GEMM_NT } },
	{ 4, 1, { 24 }, 1, { 192 }, { GEMM_NT } },
	{ 5, 1, { 25 }, 1, { 193 }, { GEMM_NN } },
	{ 3, 1, { 577 }, 1, { 64 }, { GEMM_NT } },
	{ 67, 2, { 201, 23 }, 2, { 385, 8 }, { GEMM_NT, GEMM_NT }, 1 },
	{ 131, 2, { 72, 100 }, 2, { 200, 8 }, { GEMM_NN, GEMM_NN }, 0, 1 },
	{ 300, 1, { 50 }, 2, { 31, 390 }, { GEMM_NN, GEMM_NT }, 0, 1 },
	{ 0, 1, { 50 }, 1, { 31 }, { GEMM_NN } },
	{ 7, 1, { 0 }, 1, { 31 }, { GEMM_NN } },
	{ 7, 1, { 30 }, 1, { 0 }, { GEMM_NN } },
	{ 7, 2, { 30, 31 }, 0, { 0 }, { GEMM_NN }, 0, 0 },
	{ 7, 2, { 30, 31 }, 0, { 0 }, { GEMM_NN }, 0, 1 },
};

static void test_product_is_its_definition(void **arg)
{
	(void)arg;
	for (size_t i = 0; i < NELEM(shapes); i++) {
		struct product p;

		build(&p, &shapes[i]);
		for (size_t lanes = 1; lanes <= 3; lanes++)
			check_run(&p, &shapes[i], lanes);
		destroy(&p, &shapes[i]);
	}
}

/* Every way in which a tile can be cut short. */
static void test_all_edges(void **arg)
{
	(void)arg;
	for (size_t m = 1; m < 18; m++)
		for (size_t n = 1 + m % 2; n < 100; n += 2) {
			struct shape s = { m, 1, { n }, 1, { 5 + n % 7 },
					   { n % 2 ? GEMM_NT : GEMM_NN } };
			struct product p;

			build(&p, &s);
			check_run(&p, &s, 1);
			destroy(&p, &s);
		}
}

/* One X is another with every second row, or with fewer columns. */
static void test_views_of_one_x_differ(void **arg)
{
	struct shape s = { 20, 2, { 30, 9 }, 2, { 40, 40 },
			   { GEMM_NT, GEMM_NT } };
	const float *old[3];
	struct product p;
	float *x = numbers(40 * 50);

	(void)arg;
	build(&p, &s);
	for (int i = 0; i < 3; i++) {
		struct gemm_term *t = &p.out[i / 2].term[i % 2];

		old[i] = t->x;
		t->x = x;
		t->stride = i == 1 ? 100 : 50;
		t->k = i == 2 ? 33 : 40;
	}
	check_run(&p, &s, 2);
	for (int i = 0; i < 3; i++)
		p.out[i / 2].term[i % 2].x = old[i];
	destroy(&p, &s);
	free(x);
}

static void test_environment_stops_the_climb(void **arg)
{
	const char *top = getenv("KERNELS");

	(void)arg;
	assert_non_null(kernels_name());
	if (top)
		assert_string_equal(kernels_name(), top);
}

/* Other block sizes would be other bits, in every result there is. */
static void test_definition_has_not_moved(void **arg)
{
	(void)arg;
	assert_int_equal(GEMM_KC, 192);
	assert_int_equal(GEMM_TN_ROWS, 256);
}

/* Against f64, by the bound of a sum of k products. */
static void test_product_is_accurate(void **arg)
{
	const struct shape s = { 9, 1, { 31 }, 1, { 1000 }, { GEMM_NT } };
	struct product p;

	(void)arg;
	build(&p, &s);
	for (size_t i = 0; i < s.m; i++)
		for (size_t j = 0; j < s.n[0]; j++) {
			const struct gemm_term *t = &p.out[0].term[0];
			double sum = 0, size = 0;

			for (size_t k = 0; k < t->k; k++) {
				double term = (double)t->x[i * t->stride + k] *
					      (double)element(t, k, j);

				sum += term;
				size += fabs(term);
			}
			assert_true(fabs((double)defined(&p.out[0], 0, i, j) -
					 sum) < 2e-7 * size);
		}
	destroy(&p, &s);
}

/* More lanes than columns: tasks are parts of the rows. */
static void test_many_lanes_share_the_rows(void **arg)
{
	const struct shape s = { 517, 2, { 70, 20 }, 1, { 200 }, { GEMM_NT } };
	struct product p;

	(void)arg;
	build(&p, &s);
	check_run(&p, &s, 13);
	destroy(&p, &s);
}

/* Wide enough that rows are multiplied block by block. */
static void test_many_rows_are_cut(void **arg)
{
	const struct shape s = { 258, 2, { 2, 1 }, 1, { 65542 }, { GEMM_NT },
				 .share = 1 };
	struct product p;

	(void)arg;
	build(&p, &s);
	check_run(&p, &s, 2);
	destroy(&p, &s);
}

/* One output: so wide, or so high, that k goes piece by piece. */
static void test_a_long_k_is_cut(void **arg)
{
	static const struct shape wide[] = {
		{ 65, 1, { 7 }, 2, { 70001, 500 }, { GEMM_NN, GEMM_NT }, 0, 1 },
		{ 65, 1, { 3 }, 2, { 500, 70001 }, { GEMM_NT, GEMM_NN } },
		{ 2500, 1, { 3 }, 1, { 2000 }, { GEMM_NT } },
		{ 4400, 1, { 3 }, 1, { 2000 }, { GEMM_NT } },
	};

	(void)arg;
	for (size_t i = 0; i < NELEM(wide); i++) {
		struct product p;

		build(&p, &wide[i]);
		check_run(&p, &wide[i], 2);
		destroy(&p, &wide[i]);
	}
}

/* g and the sums of one sequence's rows. */
static float column_tn(float g, const float *p, size_t pstride, const float *q,
		       size_t qstride, size_t row, size_t end)
{
	for (size_t r0 = row; r0 < end; r0 += GEMM_TN_ROWS) {
		float sum = 0;

		for (size_t r = r0; r < end && r < r0 + GEMM_TN_ROWS; r++)
			sum = fmaf(p[r * pstride], q[r * qstride], sum);
		g += sum;
	}
	return g;
}

static void check_tn(size_t a, size_t b, size_t m, size_t lanes)
{
	float *p = numbers(m * (a + 1)), *q = numbers(m * (b + 2));
	float *g = numbers(a * (b + 3)), *want = malloc(a * (b + 3) * 4 + 1);
	const size_t start[] = { 0, m / 3, m / 3, m }; /* one is empty */
	struct pool *pool;

	assert_int_equal(pool_new(&pool, lanes), 0);
	memcpy(want, g, a * (b + 3) * 4);
	for (size_t i = 0; i < a; i++)
		for (size_t j = 0; j < b; j++)
			for (size_t s = 0; s < 3; s++)
				want[i * (b + 3) + j] =
					column_tn(want[i * (b + 3) + j], p + i,
						  a + 1, q + j, b + 2,
						  start[s], start[s + 1]);
	gemm_tn(pool, g, b + 3, p, a + 1, a, q, b + 2, b, start, 3);
	assert_memory_equal(g, want, a * (b + 3) * 4);
	pool_free(pool);
	free(p);
	free(q);
	free(g);
	free(want);
}

static void test_gradient_is_its_definition(void **arg)
{
	(void)arg;
	for (size_t lanes = 1; lanes <= 3; lanes++) {
		check_tn(8, 576, 300, lanes);
		check_tn(576, 8, 512, lanes);
		check_tn(1, 1, 1, lanes);
		check_tn(19, 125, 257, lanes);
		check_tn(125, 19, 33, lanes);
		check_tn(3, 0, 5, lanes);
		check_tn(3, 5, 0, lanes);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_product_is_its_definition),
		cmocka_unit_test(test_all_edges),
		cmocka_unit_test(test_views_of_one_x_differ),
		cmocka_unit_test(test_environment_stops_the_climb),
		cmocka_unit_test(test_definition_has_not_moved),
		cmocka_unit_test(test_product_is_accurate),
		cmocka_unit_test(test_many_lanes_share_the_rows),
		cmocka_unit_test(test_many_rows_are_cut),
		cmocka_unit_test(test_a_long_k_is_cut),
		cmocka_unit_test(test_gradient_is_its_definition),
	};

	(void)argc;
	return each_level(cmocka_run_group_tests(tests, NULL, NULL), argv);
}
