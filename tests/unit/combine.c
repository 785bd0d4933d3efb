/* combine - several adapters as one: PEFT's add_weighted_adapter (golden D),
 * and what cannot be combined */
#include "adapt/adapt_kind.h"
#include "adapt/alone.h"
#include "adapt/combine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "formats/collect.h"
#include "golden.h"

enum { MOST = 4 };

struct inputs {
	struct collection c;
	struct adapter_set set[MOST];
	struct adapter_sites sites[MOST];
	double weight[MOST];
	size_t n;
};

static void open_inputs(struct inputs *in, json_t *run)
{
	json_t *names = json_object_get(run, "adapters");
	char path[MOST][512], *paths[MOST + 1] = { NULL };

	memset(in, 0, sizeof(*in));
	in->n = json_array_size(names);
	assert_true(in->n <= MOST);
	for (size_t i = 0; i < in->n; i++) {
		char dir[64];

		snprintf(dir, sizeof(dir), "D/weighted/%s",
			 json_string_value(json_array_get(names, i)));
		paths[i] = (char *)golden_path(path[i], dir);
		in->weight[i] = json_number_value(json_array_get(
			json_object_get(run, "weights"), i));
	}
	assert_int_equal(collect(&in->c, paths), 0);
	assert_int_equal(in->c.nadapter, in->n);
	for (size_t i = 0; i < in->n; i++)
		assert_int_equal(adapter_set_alone(
			&in->set[i], &in->sites[i], json_object_get(
				in->c.adapter[i].meta, "adapter"),
			&in->c.adapter[i].tensors), 0);
}

static void close_inputs(struct inputs *in)
{
	for (size_t i = 0; i < in->n; i++) {
		adapter_set_release(&in->set[i]);
		adapter_sites_release(&in->sites[i]);
	}
	collection_release(&in->c);
}

static double most_of(const float *have, const float *want, size_t n)
{
	double most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, fabs((double)have[i] - want[i]));
	return most;
}

/* s B A, the caller's. */
static float *update(const struct adapter *a)
{
	float *to = calloc(a->out * a->in, sizeof(*to));

	assert_non_null(to);
	assert_int_equal(a->kind->merge(a, NULL, 1, to, 0, a->out), 0);
	return to;
}

/* The case's tensor of this adapter; 0: it has none. */
static int key_of(struct golden *g, char *key, const char *run,
		  const struct adapter *a, const char *what)
{
	snprintf(key, TENSOR_NAME, "%s.%s.%s", run, a->module, what);
	return golden_has(g, key);
}

static double compare(struct golden *g, const char *run,
		      const struct adapter *a)
{
	char key[TENSOR_NAME];
	double most = 0;

	if (key_of(g, key, run, a, "delta")) {
		float *have = update(a);

		most = most_of(have, golden_f32(g, key, NULL), a->out * a->in);
		free(have);
		return most;
	}
	for (size_t k = 0; k < 2; k++) {
		size_t n = a->param[k].rows * a->param[k].cols;

		assert_true(key_of(g, key, run, a, a->param[k].name));
		assert_int_equal(golden_count(g, key), n);
		most = fmax(most, most_of(a->param[k].at,
					  golden_f32(g, key, NULL), n));
	}
	return most;
}

static void check(const char *name, enum combine_how how)
{
	struct adapter_set to = { 0 };
	struct combine c = { .how = how };
	struct golden g;
	struct inputs in;
	json_t *run;
	double most = 0;

	golden_case(&g, "D/weighted");
	run = json_object_get(json_object_get(g.json, "runs"), name);
	open_inputs(&in, run);
	c.from = in.set;
	c.sites = in.sites;
	c.weight = in.weight;
	c.n = in.n;
	c.rank = (size_t)json_number(run, "svd_rank", 0);
	if (combine(&to, &c))
		fail_msg("%s: %s", name, err_text());
	assert_true(to.n > 0);
	for (size_t i = 0; i < to.n; i++) {
		assert_true(to.at[i].scale == 1);
		assert_int_equal(to.at[i].rank, json_number(run, "r", 0));
		most = fmax(most, compare(&g, name, &to.at[i]));
	}
	golden_report("D/weighted", name, most, 2e-5);
	adapter_set_release(&to);
	close_inputs(&in);
	golden_close(&g);
}

static void combined_adapters_are_PEFT_s(void **state)
{
	(void)state;
	check("cat", COMBINE_CAT);
	check("svd", COMBINE_SVD);
	check("linear", COMBINE_LINEAR);
	check("linear_negative", COMBINE_LINEAR);
}

/* ---- made here ---- */

static void one_adapter(struct adapter_set *s, const char *kind, size_t rank)
{
	struct adapter_site site = { "m.q", 20, 30, ROLE_LINEAR };
	struct adapter_options o = { .kind = kind, .rank = rank, .alpha = 7 };

	memset(s, 0, sizeof(*s));
	assert_int_equal(adapter_set_add(s, &site, &o), 0);
	assert_int_equal(adapter_set_place(s, 0), 0);
	for (size_t k = 0; k < s->at[0].nparam; k++)
		adapter_init_normal(&s->at[0], k, 0.3f, rank + k);
}

static int combine_two(struct adapter_set *to, const char *kind, size_t rank,
		       enum combine_how how, double *off)
{
	static const double weight[2] = { 0.75, -2 };
	struct adapter_site site = { "m.q", 20, 30, ROLE_LINEAR };
	struct adapter_sites sites[2] = { { &site, 1, 1 }, { &site, 1, 1 } };
	struct adapter_set from[2];
	struct combine c = { from, sites, weight, 2, how, 0 };
	int err;

	one_adapter(&from[0], "lora", 3);
	one_adapter(&from[1], kind, rank);
	memset(to, 0, sizeof(*to));
	err = combine(to, &c);
	if (!err) {
		float *sum = update(&to->at[0]), *x = update(&from[0].at[0]);
		float *y = update(&from[1].at[0]);

		*off = 0;
		for (size_t i = 0; i < 600; i++)
			*off = fmax(*off, fabs((double)sum[i] -
					       weight[0] * (double)x[i] -
					       weight[1] * (double)y[i]));
		free(sum);
		free(x);
		free(y);
	}
	adapter_set_release(&from[0]);
	adapter_set_release(&from[1]);
	return err;
}

static void other_kinds_are_taken_or_refused(void **state)
{
	struct adapter_set to;
	double off = 1;

	(void)state;
	assert_int_equal(combine_two(&to, "adalora", 4, COMBINE_CAT, &off), 0);
	assert_true(off < 1e-5);
	adapter_set_release(&to);
	assert_int_equal(combine_two(&to, "dora", 4, COMBINE_CAT, &off),
			 E_CONFIG);
	assert_non_null(strstr(err_text(), "merge-adapter"));
	adapter_set_release(&to);
	assert_int_equal(combine_two(&to, "lora", 4, COMBINE_LINEAR, &off),
			 E_CONFIG);
	assert_non_null(strstr(err_text(), "svd"));
	adapter_set_release(&to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(combined_adapters_are_PEFT_s),
		cmocka_unit_test(other_kinds_are_taken_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
