/* optim - optimizers against their equations in f64, and their state */
#include "train/optim.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "golden.h"

enum { OUT = 70, IN = 300, RANK = 3, STEPS = 12 };

static const struct optim_options options = { 0.9, 0.999, 1e-8, 0.05, 0.9 };

/* Two adapters: one of pieces that are not full, one of more than one piece. */
static struct adapter_set adapters(void)
{
	struct adapter_set s = { 0 };
	struct adapter_site a = { "m.a", OUT, IN, ROLE_LINEAR };
	struct adapter_site b = { "m.b", OUT, IN, ROLE_LINEAR };
	struct adapter_options lora = { .kind = "lora", .rank = RANK,
					.alpha = 6 };
	struct adapter_options full = { .kind = "full" };

	assert_int_equal(adapter_set_add(&s, &a, &lora), 0);
	assert_int_equal(adapter_set_add(&s, &b, &full), 0);
	assert_int_equal(adapter_set_place(&s, 1), 0);
	return s;
}

static void random_fill(struct arena *a, const char *name, uint64_t step)
{
	struct rng r = rng_at(rng_of(3, name), (uint32_t)step, 0);
	float *x = (float *)a->base;

	for (size_t i = 0; i < a->size / sizeof(float); i++)
		x[i] = rng_uniform(r, i) - 0.5f;
}

/* What the equations say, element by element. */
struct reference {
	double p[OUT * IN], m[OUT * IN], v[OUT * IN];
};

static void adamw(struct reference *r, const float *g, double scale,
		  double lr, int t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double x = scale * (double)g[i];

		r->p[i] *= 1 - lr * options.weight_decay;
		r->m[i] += (1 - options.beta1) * (x - r->m[i]);
		r->v[i] = options.beta2 * r->v[i] +
			  (1 - options.beta2) * x * x;
		r->p[i] -= lr / (1 - pow(options.beta1, t)) * r->m[i] /
			   (sqrt(r->v[i]) /
				    sqrt(1 - pow(options.beta2, t)) +
			    options.eps);
	}
}

static void sgd(struct reference *r, const float *g, double scale, double lr,
		int t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double x = scale * (double)g[i] +
			   options.weight_decay * r->p[i];

		r->m[i] = t == 1 ? x : options.momentum * r->m[i] + x;
		r->p[i] -= lr * r->m[i];
	}
}

static void check_kind(const char *name,
		       void (*equation)(struct reference *r, const float *g,
					double scale, double lr, int t,
					size_t n))
{
	static struct reference ref[3];
	struct adapter_set s = adapters();
	struct adapter_param *p[3] = { &s.at[0].param[0], &s.at[0].param[1],
				       &s.at[1].param[0] };
	struct optim o;

	memset(ref, 0, sizeof(ref));
	random_fill(&s.params, "p", 0);
	for (int k = 0; k < 3; k++)
		for (size_t i = 0; i < p[k]->rows * p[k]->cols; i++)
			ref[k].p[i] = (double)p[k]->at[i];
	p[1]->lr_ratio = 4;
	assert_int_equal(optim_init(&o, optim_find(name), &options, &s), 0);
	for (int t = 1; t <= STEPS; t++) {
		random_fill(&s.grads, "g", (uint64_t)t);
		optim_step(&o, NULL, 1e-2 / t, 0.25f);
		for (int k = 0; k < 3; k++)
			equation(&ref[k], p[k]->grad, 0.25,
				 1e-2 / t * (k == 1 ? 4 : 1), t,
				 p[k]->rows * p[k]->cols);
	}
	for (int k = 0; k < 3; k++)
		for (size_t i = 0; i < p[k]->rows * p[k]->cols; i++)
			if (fabs((double)p[k]->at[i] - ref[k].p[i]) > 1e-6)
				fail_msg("%s: parameter %d[%zu]: %.9g, want "
					 "%.9g", name, k, i,
					 (double)p[k]->at[i], ref[k].p[i]);
	optim_release(&o);
	adapter_set_release(&s);
}

static void adamw_is_its_equation(void **state)
{
	(void)state;
	check_kind("adamw", adamw);
}

static void sgd_is_its_equation(void **state)
{
	(void)state;
	check_kind("sgd", sgd);
}

static void the_norm_is_that_of_all_gradients(void **state)
{
	struct adapter_set s = adapters();
	struct pool *pool;
	struct optim o;
	double sum = 0, norm;
	const float *g;

	(void)state;
	assert_int_equal(pool_new(&pool, 3), 0);
	assert_int_equal(optim_init(&o, optim_at(0), &options, &s), 0);
	random_fill(&s.grads, "g", 1);
	for (size_t i = 0; i < s.n; i++)
		for (size_t k = 0; k < s.at[i].nparam; k++) {
			size_t n = s.at[i].param[k].rows *
				   s.at[i].param[k].cols;

			g = s.at[i].param[k].grad;
			for (size_t e = 0; e < n; e++)
				sum += (double)g[e] * (double)g[e];
		}
	norm = optim_norm(&o, NULL);
	assert_true(fabs(norm - sqrt(sum)) < 1e-7 * norm);
	assert_true(optim_norm(&o, pool) == norm);
	s.at[1].param[0].grad[OUT * IN - 1] = NAN;
	assert_true(isnan(optim_norm(&o, pool)));
	optim_release(&o);
	adapter_set_release(&s);
	pool_free(pool);
}

static int take(void *to, const struct tensor *t)
{
	struct tensor copy;

	assert_int_equal(t->role, ROLE_STATE);
	assert_int_equal(tensor_init(&copy, t->name, t->role, t->dtype,
				     t->rank, t->shape), 0);
	assert_int_equal(tensor_alloc(&copy), 0);
	memcpy(copy.part[0].data, t->part[0].data, t->part[0].bytes);
	return tensor_set_take(to, &copy);
}

static void state_goes_out_and_comes_back(void **state)
{
	struct optim_options least = options;

	(void)state;
	least.least = 1;
	for (size_t i = 0; optim_at(i); i++) {
		struct adapter_set s = adapters();
		struct tensor_set saved = { 0 };
		struct optim a, b;

		assert_int_equal(optim_init(&a, optim_at(i), &least, &s), 0);
		assert_int_equal(optim_init(&b, optim_at(i), &least, &s), 0);
		random_fill(&a.memory, "state", 0);
		assert_int_equal(optim_tensors(&a, take, &saved), 0);
		assert_int_equal(saved.n, 3 * optim_at(i)->nstate);
		assert_int_equal(optim_load(&b, &saved), 0);
		assert_non_null(strstr(saved.at[0].name,
				       optim_at(i)->state[0].name));
		assert_int_equal(a.memory.size, optim_bytes(a.kind,
							     &least, &s));
		free(saved.at[0].name);
		saved.at[0].name = strdup("another");
		assert_int_equal(optim_load(&b, &saved), E_DATA);
		tensor_set_release(&saved);
		optim_release(&a);
		optim_release(&b);
		adapter_set_release(&s);
	}
}

static void trains_on_as_before(const char *kind)
{
	struct adapter_set s = adapters(), twin = adapters();
	struct tensor_set saved = { 0 };
	struct optim a, b;

	random_fill(&s.params, "p", 0);
	assert_int_equal(optim_init(&a, optim_find(kind), &options, &s), 0);
	for (uint64_t t = 0; t < 3; t++) {
		random_fill(&s.grads, "g", t);
		optim_step(&a, NULL, 1e-2, 1);
	}
	memcpy(twin.params.base, s.params.base, s.params.size);
	assert_int_equal(optim_tensors(&a, take, &saved), 0);
	assert_int_equal(optim_init(&b, optim_find(kind), &options, &twin),
			 0);
	assert_int_equal(optim_load(&b, &saved), 0);
	b.t = a.t;
	random_fill(&s.grads, "g", 3);
	random_fill(&twin.grads, "g", 3);
	optim_step(&a, NULL, 1e-2, 1);
	optim_step(&b, NULL, 1e-2, 1);
	assert_memory_equal(s.at[0].param[0].at, twin.at[0].param[0].at,
			    RANK * IN * sizeof(float));
	assert_memory_equal(s.at[1].param[0].at, twin.at[1].param[0].at,
			    OUT * IN * sizeof(float));
	tensor_set_release(&saved);
	optim_release(&a);
	optim_release(&b);
	adapter_set_release(&s);
	adapter_set_release(&twin);
}

static void loaded_state_trains_on_as_before(void **state)
{
	(void)state;
	for (size_t i = 0; optim_at(i); i++)
		trains_on_as_before(optim_at(i)->name);
}

/* A state array of the first parameter. */
struct wanted {
	size_t skip;
	const void *at;
};

static int take_state(void *ctx, const struct tensor *t)
{
	struct wanted *w = ctx;

	if (!w->skip--)
		w->at = t->part[0].data;
	return 0;
}

static const void *state_of(const struct optim *o, size_t i)
{
	struct wanted w = { .skip = i };

	assert_int_equal(optim_tensors(o, take_state, &w), 0);
	return w.at;
}

/* ---- 8 bits, against bitsandbytes' rules (golden E) ---- */

static void check_codes(struct golden *g, const char *what, size_t step,
			const uint8_t *have)
{
	char name[40];
	const uint8_t *want;
	size_t n, far = 0;

	snprintf(name, sizeof(name), "%s.%zu", what, step);
	want = golden_raw(g, name, &n);
	for (size_t i = 0; i < n; i++)
		far += abs((int)want[i] - (int)have[i]) > 1;
	golden_report("E/adam8", what, (double)far / (double)n, 0.005);
}

static void eight_bits_follow_bitsandbytes(void **state)
{
	struct optim_options how = { .least = 1 };
	struct adapter_options full = { .kind = "full" };
	struct adapter_site site = { "m.a", 1, 0, ROLE_LINEAR };
	struct adapter_set s = { 0 };
	struct optim o;
	struct golden g;
	size_t n, steps;
	const float *grad;

	(void)state;
	golden_case(&g, "E/adam8");
	n = (size_t)json_number(g.json, "n", 0);
	steps = (size_t)json_number(g.json, "steps", 0);
	how.beta1 = json_number(g.json, "beta1", 0);
	how.beta2 = json_number(g.json, "beta2", 0);
	how.eps = json_number(g.json, "eps", 0);
	how.weight_decay = json_number(g.json, "wd", 0);
	site.in = n;
	assert_int_equal(adapter_set_add(&s, &site, &full), 0);
	assert_int_equal(adapter_set_place(&s, 1), 0);
	assert_int_equal(optim_init(&o, optim_find("adamw8bit"), &how, &s), 0);
	memcpy(s.at[0].param[0].at, golden_f32(&g, "p0", NULL),
	       n * sizeof(float));
	grad = golden_f32(&g, "g", NULL);
	for (size_t t = 1; t <= steps; t++) {
		char name[40];
		const float *want, *first = golden_f32(&g, "p0", NULL);
		double most = 0, moved = 0;

		memcpy(s.at[0].param[0].grad, grad + (t - 1) * n,
		       n * sizeof(float));
		optim_step(&o, NULL, json_number(g.json, "lr", 0), 1);
		snprintf(name, sizeof(name), "p.%zu", t);
		want = golden_f32(&g, name, NULL);
		for (size_t i = 0; i < n; i++) {
			most = fmax(most, fabs((double)want[i] -
					       s.at[0].param[0].at[i]));
			moved = fmax(moved, fabs((double)want[i] - first[i]));
		}
		golden_report("E/adam8", "parameters, of the update",
			      most / moved, 0.02);
		check_codes(&g, "state1", t, state_of(&o, 0));
		check_codes(&g, "state2", t, state_of(&o, 2));
	}
	optim_release(&o);
	adapter_set_release(&s);
	golden_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adamw_is_its_equation),
		cmocka_unit_test(sgd_is_its_equation),
		cmocka_unit_test(the_norm_is_that_of_all_gradients),
		cmocka_unit_test(state_goes_out_and_comes_back),
		cmocka_unit_test(loaded_state_trains_on_as_before),
		cmocka_unit_test(eight_bits_follow_bitsandbytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
