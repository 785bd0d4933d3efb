/* start - first values that change the base: PiSSA and LoftQ against PEFT's
 * (golden B), and what all of them promise */
#include "quant/start.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "golden.h"
#include "model.h"
#include "weight/weight.h"

/* One weight, started. */
struct started {
	size_t out, in, n;
	float *w, *a, *b, *base, *sum; /* sum: base + s B A */
};

static void run(struct started *s, const char *how, const struct tensor *t,
		const struct start_options *o)
{
	struct tensor base;

	s->out = t->shape[0];
	s->in = t->shape[1];
	s->n = t->count;
	s->a = calloc(o->rank * s->in, sizeof(float));
	s->b = calloc(o->rank * s->out, sizeof(float));
	s->w = malloc(s->n * sizeof(float));
	s->base = malloc(s->n * sizeof(float));
	s->sum = malloc(s->n * sizeof(float));
	assert_true(s->a && s->b && s->w && s->base && s->sum);
	assert_int_equal(weight_decode(t, s->w, 0, s->n), 0);
	if (start_find(how)->make(&base, s->a, s->b, t, o, NULL))
		fail_msg("%s", err_text());
	assert_string_equal(base.name, t->name);
	assert_int_equal(weight_decode(&base, s->base, 0, s->n), 0);
	tensor_release(&base);
	for (size_t i = 0; i < s->out; i++)
		for (size_t j = 0; j < s->in; j++) {
			double x = s->base[i * s->in + j];

			for (size_t k = 0; k < o->rank; k++)
				x += o->scale * s->b[i * o->rank + k] *
				     s->a[k * s->in + j];
			s->sum[i * s->in + j] = (float)x;
		}
}

static void release(struct started *s)
{
	free(s->a);
	free(s->b);
	free(s->w);
	free(s->base);
	free(s->sum);
}

static double distance(const float *x, const float *y, size_t n)
{
	double sum = 0, size = 0;

	for (size_t i = 0; i < n; i++) {
		sum += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
		size += (double)y[i] * y[i];
	}
	return sqrt(sum / size);
}

static double share_that_differs(const float *x, const float *y, size_t n)
{
	size_t bad = 0;

	for (size_t i = 0; i < n; i++)
		bad += fabsf(x[i] - y[i]) > 1e-6f;
	return (double)bad / (double)n;
}

/* The module of a base's tensor; 0: the case has none of it. */
static int in_case(struct golden *g, const struct tensor *t, char *key,
		   const char *what)
{
	size_t n = strlen(t->name);

	if (t->rank != 2 || n < 8)
		return 0;
	snprintf(key, TENSOR_NAME, "%.*s.%s", (int)n - 7, t->name, what);
	return golden_has(g, key);
}

static void pissa_is_PEFT_s(void **state)
{
	struct tensor_set base = { 0 };
	struct golden g;
	struct start_options o = { 0 };
	char key[TENSOR_NAME];
	size_t found = 0;
	double most = 0, exact = 0;

	(void)state;
	golden_case(&g, "B/pissa_r8");
	o.rank = (size_t)json_number(g.json, "r", 0);
	o.scale = json_number(g.json, "scaling", 0);
	model_base(&base, "A/llama");
	for (size_t i = 0; i < base.n; i++) {
		struct started s;

		if (!in_case(&g, &base.at[i], key, "base"))
			continue;
		run(&s, "pissa", &base.at[i], &o);
		most = fmax(most, distance(s.base, golden_f32(&g, key, NULL),
					   s.n));
		exact = fmax(exact, distance(s.sum, s.w, s.n));
		release(&s);
		found++;
	}
	assert_int_equal(found, 14);
	golden_report("B/pissa_r8", "base, relative RMS", most, 1e-5);
	golden_report("B/pissa_r8", "base + s B A against W", exact, 1e-6);
	tensor_set_release(&base);
	golden_close(&g);
}

/* scale: the factors are divided by it, and their product is not. */
static void check_loftq(const char *dir, double scale)
{
	struct tensor_set base = { 0 };
	struct golden g;
	struct start_options o = { .scale = scale,
				   .nf4 = { 64, 0, QUANT_CPU } };
	char key[TENSOR_NAME];
	size_t found = 0;
	double codes = 0, error = 0;

	golden_case(&g, dir);
	o.rank = (size_t)json_number(g.json, "r", 0);
	o.iterations = (size_t)json_number(g.json, "iterations", 0);
	model_base(&base, "A/llama");
	for (size_t i = 0; i < base.n; i++) {
		struct started s;
		double want;

		if (!in_case(&g, &base.at[i], key, "base"))
			continue;
		run(&s, "loftq", &base.at[i], &o);
		codes += share_that_differs(s.base, golden_f32(&g, key, NULL),
					    s.n);
		*strrchr(key, '.') = 0;
		want = json_number_value(json_object_get(json_object_get(
			g.json, "relative_error"), key));
		error = fmax(error, fabs(distance(s.sum, s.w, s.n) / want - 1));
		release(&s);
		found++;
	}
	assert_int_equal(found, 14);
	golden_report(dir, "codes of the base that differ", codes / 14, 1e-3);
	golden_report(dir, "relative error, relative", error, 1e-3);
	tensor_set_release(&base);
	golden_close(&g);
}

static void loftq_is_PEFT_s(void **state)
{
	(void)state;
	check_loftq("B/loftq_i1", 1);
	check_loftq("B/loftq_i5", 1);
	check_loftq("B/loftq_i5", 2);
}

static void plain(struct tensor *t, size_t out, size_t in)
{
	struct rng r = rng_of(9, "w");
	float *x;

	assert_int_equal(tensor_init(t, "m.weight", ROLE_LINEAR, DTYPE_F32, 2,
				     (size_t[]){ out, in }), 0);
	assert_int_equal(tensor_alloc(t), 0);
	x = t->part[0].data;
	for (size_t i = 0; i < t->count; i++)
		x[i] = rng_normal(r, i) * 0.1f;
}

static void check_sum(const char *how, size_t out, size_t in)
{
	struct start_options o = { .rank = 5, .scale = 1.5, .iterations = 1 };
	struct started s;
	struct tensor t;

	plain(&t, out, in);
	run(&s, how, &t, &o);
	assert_true(distance(s.sum, s.w, s.n) < 1e-6);
	assert_true(distance(s.base, s.w, s.n) > 0.05);
	release(&s);
	tensor_release(&t);
}

static void base_and_factors_are_the_weight(void **state)
{
	(void)state;
	check_sum("pissa", 33, 70);
	check_sum("pissa", 70, 33);
	check_sum("olora", 33, 70);
	check_sum("olora", 70, 33);
}

/* OLoRA's B is columns of an orthogonal matrix. */
static void olora_is_orthogonal(void **state)
{
	struct start_options o = { .rank = 4, .scale = 1, .iterations = 1 };
	struct started s;
	struct tensor t;

	(void)state;
	plain(&t, 40, 24);
	run(&s, "olora", &t, &o);
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 4; j++) {
			double dot = 0;

			for (size_t k = 0; k < 40; k++)
				dot += (double)s.b[k * 4 + i] * s.b[k * 4 + j];
			assert_true(fabs(dot - (i == j)) < 1e-5);
			assert_true(j >= i || s.a[i * 24 + j] == 0);
		}
	release(&s);
	tensor_release(&t);
}

static void what_is_quantised_is_refused(void **state)
{
	struct start_options o = { .rank = 4, .scale = 1, .iterations = 1 };
	const struct quant_nf4 how = { 64, 1, QUANT_CPU };
	struct tensor t, q, base;
	float a[4 * 64], b[4 * 64];

	(void)state;
	plain(&t, 64, 64);
	assert_int_equal(quant_nf4(&q, &t, &how, NULL), 0);
	assert_int_equal(start_find("pissa")->make(&base, a, b, &q, &o, NULL),
			 E_DATA);
	assert_int_equal(start_find("loftq")->make(&base, a, b, &q, &o, NULL),
			 E_DATA);
	assert_null(start_find("gaussian"));
	tensor_release(&t);
	tensor_release(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pissa_is_PEFT_s),
		cmocka_unit_test(loftq_is_PEFT_s),
		cmocka_unit_test(base_and_factors_are_the_weight),
		cmocka_unit_test(olora_is_orthogonal),
		cmocka_unit_test(what_is_quantised_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
