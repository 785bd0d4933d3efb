/* golden_train - whole trainings against PEFT's, step by step (golden B) */
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

static const struct training_limits limits = {
	.loss = 1e-5, .norm = 5e-5, .rms = 1e-5, .most = 3e-4, .grad = 3e-5,
};

/* An adapter_config.json as our configuration. */
static json_t *our_config(const char *dir, const char *which)
{
	static const char *const key[][2] = {
		{ "r", "r" }, { "lora_alpha", "alpha" },
		{ "use_rslora", "rslora" },
		{ "target_modules", "target_modules" },
		{ "rank_pattern", "rank_pattern" },
		{ "alpha_pattern", "alpha_pattern" },
		{ "modules_to_save", "modules_to_save" },
		{ "num_virtual_tokens", "num_virtual_tokens" },
		{ "num_layers", "num_layers" }, { "token_dim", "token_dim" },
		{ "num_attention_heads", "num_attention_heads" },
	};
	static const char *const kind[][2] = {
		{ "PROMPT_TUNING", "prompt" }, { "PREFIX_TUNING", "prefix" },
	};
	char path[400], buf[512];
	json_t *peft, *ours = json_object();

	snprintf(path, sizeof(path), "%s/%s/adapter_config.json", dir, which);
	assert_int_equal(json_read_file(&peft, golden_path(buf, path),
					1 << 20), 0);
	for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++)
		json_object_set(ours, key[i][1],
				json_object_get(peft, key[i][0]));
	if (json_flag(peft, "use_dora", 0))
		json_object_set_new(ours, "kind", json_string("dora"));
	for (size_t i = 0; i < sizeof(kind) / sizeof(kind[0]); i++)
		if (!strcmp(json_text(peft, "peft_type", ""), kind[i][0]))
			json_object_set_new(ours, "kind",
					    json_string(kind[i][1]));
	json_decref(peft);
	return ours;
}

/* A soft prompt's tensor, whose name does not say its kind. */
static void name_front(struct tensor_set *from, const char *kind)
{
	const struct adapter_kind *k = adapter_kind_find(kind);

	if (!k || !k->front)
		return;
	assert_int_equal(from->n, 1);
	free(from->at[0].name);
	from->at[0].name = malloc(TENSOR_NAME);
	assert_non_null(from->at[0].name);
	snprintf(from->at[0].name, TENSOR_NAME, "%s.%s", ADAPTER_FRONT,
		 k->mark);
}

static void open_adapter(struct training *r, struct model *m, const char *dir,
			 const char *which)
{
	struct tensor_set from = { 0 };
	char path[400];
	json_t *config = our_config(dir, which);

	snprintf(path, sizeof(path), "%s/%s/adapter_model.safetensors", dir,
		 which);
	assert_int_equal(model_tensors(&from, path, our_name), 0);
	for (size_t i = 0; i < from.n; i++)
		from.at[i].role = ROLE_ADAPTER;
	name_front(&from, json_text(config, "kind", ""));
	assert_int_equal(adapter_set_read(&r->set, config, &from,
					  &r->sites), 0);
	assert_int_equal(adapter_set_place(&r->set, 1), 0);
	assert_int_equal(adapter_set_load(&r->set, &from), 0);
	assert_int_equal(program_adapt(m->p, &r->set), 0);
	json_decref(config);
	tensor_set_release(&from);
}

/* Rounding to 8 bits amplifies what differs; E/adam8 checks each step. */
static const struct training_limits limits_8bit = {
	.loss = 0.02, .norm = 0.05, .rms = 1e-3, .most = 0.1, .grad = 3e-5,
};

static void check_run(void **state)
{
	struct training r = { .name = *state, .limit = limits };
	struct model m;
	struct trainer_calls calls = { .ctx = &r, .log = training_log };
	struct trainer_options o;
	struct golden final;
	char path[400];
	json_t *run;

	golden_case(&r.g, r.name);
	run = json_object_get(r.g.json, "run");
	if (strstr(json_text(run, "opt", ""), "adamw8"))
		r.limit = limits_8bit;
	open_base(&r, &m, run);
	open_adapter(&r, &m, r.name, "init");
	assert_int_equal(adapter_set_ratio(&r.set, json_number(
					run, "ratio", 1)), 0);
	o = options_of(run, open_data(&r.data));
	assert_int_equal(trainer_new(&r.t, m.p, &r.set, m.pool, &r.data, NULL,
				     &o, &calls), 0);
	assert_int_equal(trainer_start(r.t), 0);
	if (trainer_run(r.t))
		fail_msg("%s: %s", r.name, err_text());
	assert_int_equal(r.step, o.steps);
	snprintf(path, sizeof(path), "%s/final/adapter_model.safetensors",
		 r.name);
	assert_int_equal(golden_load(&final, path), 0);
	assert_true(training_compare(&r, &final, "", 0) >=
		    (adapter_set_front(&r.set) ? 1 : 4));
	golden_close(&final);
	training_report(&r);
	training_close(&r);
	model_close(&m);
}

/* Statistics of many draws: the loss of the first batch under dropout. */
struct draws {
	double sum, squares;
	size_t n;
};

static int add_draw(void *ctx, json_t *line)
{
	struct draws *d = ctx;
	double loss = json_number(line, "loss", -1);

	d->sum += loss;
	d->squares += loss * loss;
	d->n++;
	return 0;
}

/* Means within 5 standard errors, deviations within 15 %. */
static void dropout_has_the_reference_s_statistics(void **state)
{
	struct training r = { .name = "B/dropout_stats" };
	struct draws d = { 0 };
	struct trainer_calls calls = { .ctx = &d, .log = add_draw };
	struct trainer_options o;
	struct model m;
	json_t *none = json_object();
	double mean, deviation, want;

	(void)state;
	golden_case(&r.g, r.name);
	open_base(&r, &m, none);
	open_adapter(&r, &m, r.name, "adapter");
	for (size_t i = 0; i < r.set.n; i++) {
		r.set.at[i].dropout = (float)json_number(r.g.json, "p", 0);
		r.set.at[i].seed = 1;
	}
	o = options_of(none, open_data(&r.data));
	o.steps = (size_t)json_number(r.g.json, "draws", 0);
	r.data.n = o.pack.rows;
	assert_int_equal(trainer_new(&r.t, m.p, &r.set, m.pool, &r.data, NULL,
				     &o, &calls), 0);
	assert_int_equal(trainer_start(r.t), 0);
	assert_int_equal(trainer_run(r.t), 0);
	assert_int_equal(d.n, o.steps);
	mean = d.sum / (double)d.n;
	deviation = sqrt(d.squares / (double)d.n - mean * mean);
	want = json_number(r.g.json, "loss_std", 0);
	golden_report(r.name, "mean loss, in standard errors",
		      fabs(mean - json_number(r.g.json, "loss_mean", 0)) /
			      (want * sqrt(2 / (double)d.n)), 5);
	golden_report(r.name, "deviation of the loss, relative",
		      fabs(deviation / want - 1), 0.15);
	json_decref(none);
	training_close(&r);
	model_close(&m);
}

#define RUN(name) { "training_" #name "_equals_PEFT", check_run, NULL, NULL, \
		    (void *)(uintptr_t)("B/" #name) }

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(lora_adamw),
		RUN(lora_accum4),
		RUN(lora_clip_wd_cosine),
		RUN(lora_linear),
		RUN(lora_constant_warmup),
		RUN(rslora),
		RUN(lora_qv_patterns),
		RUN(lora_modules_to_save),
		RUN(lora_sgd),
		RUN(qlora_nf4),
		RUN(dora),
		RUN(loraplus),
		RUN(adamw8_exact_small),
		RUN(prompt_tuning),
		RUN(prefix_tuning),
		RUN(bnb_adamw32),
		RUN(bnb_adamw8_default),
		RUN(bnb_adamw8_small),
		cmocka_unit_test(dropout_has_the_reference_s_statistics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
