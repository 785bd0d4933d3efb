/* golden_adalora - AdaLoRA step by step against PEFT's (golden B): losses, what
 * it keeps, and what it prunes */
#include "adapt/adalora.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "golden.h"
#include "model.h"
#include "training.h"
#include "training_run.h"

static const char *short_name(const char *module)
{
	const char *model = "model.";

	assert_int_equal(strncmp(module, model, strlen(model)), 0);
	return module + strlen(model);
}

/* The moving averages, where the case has those of this step. */
static void check_averages(struct training *r, const struct adapter *a)
{
	for (size_t i = 0; i < 6; i++) {
		const struct adapter_param *p = &a->param[ADALORA_AVERAGES + i];
		char name[TENSOR_NAME];
		const float *want;
		double most = 0, size = 0;

		snprintf(name, sizeof(name), "%s.%zu.%s.%s",
			 i % 2 ? "unc" : "ipt", r->step,
			 short_name(a->module), a->param[i / 2].name);
		if (!golden_has(&r->g, name))
			return;
		want = golden_f32(&r->g, name, NULL);
		for (size_t k = 0; k < p->rows * p->cols; k++) {
			most = fmax(most, fabs((double)p->at[k] - want[k]));
			size = fmax(size, fabs((double)want[k]));
		}
		r->found.grad = fmax(r->found.grad, most / size);
	}
}

/* The adapter that the case has at place i. */
static const struct adapter *named(const struct training *r, size_t i)
{
	const char *theirs = json_string_value(json_array_get(
		json_object_get(r->g.json, "modules"), i));
	char name[TENSOR_NAME];

	our_name(name, theirs);
	*strrchr(name, '.') = 0;
	return adapter_set_find(&r->set, name);
}

static int adalora_log(void *ctx, json_t *line)
{
	struct training *r = ctx;
	size_t s = r->step++, n = r->set.n, rank = r->set.at[0].rank;
	const float *e = golden_f32(&r->g, "E", NULL) + (s + 1) * n * rank;
	size_t bytes;
	const unsigned char *mask = golden_raw(&r->g, "rank_mask", &bytes);

	assert_true(bytes >= (s + 1) * n * rank);
	mask += s * n * rank;
	r->found.loss = fmax(r->found.loss, training_relative(
		json_number(line, "loss", -1), training_wanted(r, "loss", s)));
	r->found.norm = fmax(r->found.norm, training_relative(
		json_number(line, "grad_norm", -1),
		training_wanted(r, "grad_norm", s)));
	for (size_t i = 0; i < n; i++) {
		const struct adapter *a = named(r, i);

		for (size_t k = 0; k < rank; k++, e++) {
			r->found.most = fmax(r->found.most, fabs(
				(double)a->param[ADALORA_E].at[k] - *e));
			assert_int_equal(a->param[ADALORA_PRUNED].at[k] > 0,
					 !*mask++);
		}
		check_averages(r, a);
	}
	return 0;
}

static void init_as(struct training *r)
{
	for (size_t i = 0; i < r->set.n; i++)
		for (size_t k = 0; k < 3; k++) {
			struct adapter_param *p = &r->set.at[i].param[k];
			char name[TENSOR_NAME];

			snprintf(name, sizeof(name),
				 "init.base_model.model.%s.%s",
				 r->set.at[i].module, p->name);
			assert_int_equal(golden_count(&r->g, name),
					 p->rows * p->cols);
			memcpy(p->at, golden_f32(&r->g, name, NULL),
			       p->rows * p->cols * sizeof(float));
		}
}

static void adalora_prunes_as_PEFT_does(void **state)
{
	struct training r = { .name = "B/adalora" };
	struct trainer_calls calls = { .ctx = &r, .log = adalora_log };
	struct trainer_options o;
	struct model m;
	json_t *run, *config;

	(void)state;
	golden_case(&r.g, r.name);
	run = json_object_get(r.g.json, "run");
	open_base(&r, &m, run);
	config = json_pack("{s:s, s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:O,"
			   " s:s}", "kind", "adalora",
			   "r", json_object_get(run, "init_r"),
			   "target_r", json_object_get(run, "target_r"),
			   "alpha", json_object_get(run, "alpha"),
			   "tinit", json_object_get(run, "tinit"),
			   "tfinal", json_object_get(run, "tfinal"),
			   "delta_t", json_object_get(run, "deltaT"),
			   "beta1", json_object_get(run, "beta1"),
			   "beta2", json_object_get(run, "beta2"),
			   "orth_reg_weight", json_object_get(run, "orth"),
			   "target_modules", "all-linear");
	assert_non_null(config);
	assert_int_equal(adapter_set_make(&r.set, config, &r.sites), 0);
	assert_int_equal(adapter_set_place(&r.set, 1), 0);
	init_as(&r);
	assert_int_equal(program_adapt(m.p, &r.set), 0);
	o = options_of(run, open_data(&r.data));
	o.steps = (size_t)json_number(run, "total", 0);
	assert_int_equal(trainer_new(&r.t, m.p, &r.set, m.pool, &r.data, NULL,
				     &o, &calls), 0);
	assert_int_equal(trainer_start(r.t), 0);
	assert_int_equal(trainer_run(r.t), 0);
	assert_int_equal(r.step, o.steps);
	golden_report(r.name, "loss", r.found.loss, 1e-4);
	golden_report(r.name, "gradient norm", r.found.norm, 1e-4);
	golden_report(r.name, "E, largest", r.found.most, 1e-5);
	golden_report(r.name, "moving averages, relative", r.found.grad, 1e-3);
	json_decref(config);
	training_close(&r);
	model_close(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adalora_prunes_as_PEFT_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
