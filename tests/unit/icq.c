/* icq - shifts, codes and entropies against the reference's */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/size.h"
#include "quant/quant_nf4.h"
#include "tests/unit/golden.h"
#include "weight/weight.h"

#include <math.h>

static const char name[] = "E/icq_nf4";
static struct icq icq;

static void input(struct tensor *t, struct golden *g)
{
	size_t shape[GOLDEN_RANK], n;
	int rank = golden_shape(g, "W", shape);
	const float *w = golden_f32(g, "W", &n);

	assert_int_equal(tensor_init(t, "w", ROLE_LINEAR, DTYPE_F32, rank,
				     shape), 0);
	assert_int_equal(tensor_alloc(t), 0);
	memcpy(t->part[0].data, w, n * sizeof(*w));
	icq.steps = (size_t)(json_number(g->json, "candidates", 0) - 1) / 2;
}

static const void *part(const struct tensor *t, int node)
{
	return t->part[t->node[node].part].data;
}

static void same(struct golden *g, const char *key, const void *got, size_t n)
{
	size_t bytes, differ = 0;
	const unsigned char *want = golden_raw(g, key, &bytes), *have = got;

	assert_int_equal(bytes, n);
	for (size_t i = 0; i < n; i++)
		differ += have[i] != want[i];
	golden_report(name, key, (double)differ, 0);
}

static void check_entropy(struct golden *g, const struct icq_gain *gain)
{
	double n = (double)gain->blocks;

	assert_int_equal(gain->blocks, golden_count(g, "tau"));
	golden_report(name, "mean entropy, plain",
		      fabs(gain->plain / n - json_number(
			      g->json, "mean_entropy_plain", 0)), 1e-12);
	golden_report(name, "mean entropy, shifted",
		      fabs(gain->shifted / n - json_number(
			      g->json, "mean_entropy_icq", 0)), 1e-12);
}

static void the_reference(void **state)
{
	struct icq_gain gain = { 0 };
	struct quant_nf4 q = { 64, 0, QUANT_CPU, &icq, &gain };
	struct golden g;
	struct tensor x, t;
	float *v;
	int shift;

	(void)state;
	golden_case(&g, name);
	input(&x, &g);
	assert_int_equal(quant_nf4(&t, &x, &q, NULL), 0);
	shift = t.node[0].shift;
	same(&g, "q", part(&t, 0), t.count / 2);
	same(&g, "absmax", part(&t, t.node[0].scale), t.count / 64 * 4);
	same(&g, "tau.code", part(&t, shift), t.count / 64);
	same(&g, "tau.absmax", part(&t, t.node[shift].scale),
	     size_ceil(t.count / 64, 256) * 4);
	v = calloc(t.count, sizeof(*v));
	assert_int_equal(weight_decode(&t, v, 0, t.count), 0);
	same(&g, "dequantised", v, t.count * sizeof(*v));
	check_entropy(&g, &gain);
	free(v);
	tensor_release(&x);
	tensor_release(&t);
	golden_close(&g);
}

/* With nested scales, short blocks and any rule, and from threads: the same
 * bytes as without, an entropy that is not less, values as close. */
static void other_forms(void **state)
{
	enum { N = 20000 + 37 };
	struct pool *pool;
	struct tensor x, one, two, plain;
	size_t shape = N;
	float *w, *v;

	(void)state;
	assert_int_equal(pool_new(&pool, 3), 0);
	assert_int_equal(tensor_init(&x, "w", ROLE_LINEAR, DTYPE_F32, 1,
				     &shape), 0);
	assert_int_equal(tensor_alloc(&x), 0);
	w = x.part[0].data;
	for (size_t i = 0; i < N; i++)
		w[i] = (float)((int)(i * 2654435761u >> 8 & 0xffff) - 20000) *
		       1e-5f;
	v = calloc(2 * N, sizeof(*v));
	icq.steps = 20;
	for (int i = 0; i < 4; i++) {
		struct icq_gain gain = { 0 }, again = { 0 };
		struct quant_nf4 q = { i % 2 ? 128 : 64, i / 2,
				       (enum quant_rule)(i % 2), &icq,
				       &gain };
		double error = 0, before = 0;

		assert_int_equal(quant_nf4(&one, &x, &q, NULL), 0);
		q.gain = &again;
		assert_int_equal(quant_nf4(&two, &x, &q, pool), 0);
		for (int k = 0; k < one.npart; k++)
			assert_memory_equal(one.part[k].data, two.part[k].data,
					    one.part[k].bytes);
		assert_memory_equal(&gain, &again, sizeof(gain));
		assert_true(gain.shifted > gain.plain * 1.01);
		q.icq = NULL;
		assert_int_equal(quant_nf4(&plain, &x, &q, NULL), 0);
		assert_int_equal(weight_decode(&one, v, 0, N), 0);
		assert_int_equal(weight_decode(&plain, v + N, 0, N), 0);
		for (size_t k = 0; k < N; k++) {
			error += pow((double)(v[k] - w[k]), 2);
			before += pow((double)(v[N + k] - w[k]), 2);
		}
		assert_true(error < before);
		tensor_release(&one);
		tensor_release(&two);
		tensor_release(&plain);
	}
	free(v);
	tensor_release(&x);
	pool_free(pool);
}

static void zeros_and_what_is_not_finite(void **state)
{
	struct icq_gain gain = { 0 };
	struct quant_nf4 q = { 64, 1, QUANT_CPU, &icq, &gain };
	size_t shape[2] = { 2, 64 };
	struct tensor x, t;
	float v[128];

	(void)state;
	assert_int_equal(tensor_init(&x, "w", ROLE_LINEAR, DTYPE_F32, 2,
				     shape), 0);
	assert_int_equal(tensor_alloc(&x), 0);
	assert_int_equal(quant_nf4(&t, &x, &q, NULL), 0);
	assert_int_equal(weight_decode(&t, v, 0, 128), 0);
	for (size_t i = 0; i < 128; i++)
		assert_true(v[i] == 0);
	tensor_release(&t);
	((float *)x.part[0].data)[70] = NAN;
	assert_int_equal(quant_nf4(&t, &x, &q, NULL), E_DATA);
	assert_string_equal(err_text(), "w: element [1, 6] is NaN");
	tensor_release(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reference),
		cmocka_unit_test(other_forms),
		cmocka_unit_test(zeros_and_what_is_not_finite),
	};

	entropy_init(&icq.entropy);
	return cmocka_run_group_tests_name("icq", tests, NULL, NULL);
}
