/* golden_train - whole trainings against PEFT's, step by step (golden B) */
#include "quant/quant_nf4.h"

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

static const struct training_limits limits = {
	.loss = 1e-5, .norm = 5e-5, .rms = 1e-5, .most = 3e-4, .grad = 3e-5,
};

/* PEFT's names to ours: "X.lora_A.weight" is "X.lora_A". */
static void our_name(char *to, const char *from)
{
	char *end;

	assert_int_equal(strncmp(from, "base_model.model.", 17), 0);
	snprintf(to, TENSOR_NAME, "%s", from + 17);
	end = strstr(to, ".weight");
	assert_non_null(end);
	if (strstr(to, ".lora_"))
		*end = 0;
}

static enum tensor_role role_of(const char *name)
{
	if (strstr(name, "embed_tokens"))
		return ROLE_EMBED;
	return strstr(name, "lm_head") ? ROLE_HEAD : ROLE_LINEAR;
}

static void open_base(struct training *r, struct model *m, json_t *run)
{
	memset(m, 0, sizeof(*m));
	assert_int_equal(pool_new(&m->pool, 2), 0);
	model_base(&m->base, "A/llama");
	for (size_t i = 0; i < m->base.n; i++) {
		struct tensor *t = &m->base.at[i], q;
		const struct quant_nf4 how = { 64, 1, QUANT_CPU };

		if (t->rank != 2)
			continue;
		t->role = role_of(t->name);
		assert_int_equal(adapter_sites_add(&r->sites, t), 0);
		if (!json_is_true(json_object_get(run, "nf4")) ||
		    t->role != ROLE_LINEAR)
			continue;
		assert_int_equal(quant_nf4(&q, t, &how, m->pool), 0);
		tensor_release(t);
		tensor_move(t, &q);
	}
	assert_int_equal(program_open(&m->p, &m->base, NULL), 0);
}

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
	};
	char path[400], buf[512];
	json_t *peft, *ours = json_object();

	snprintf(path, sizeof(path), "%s/%s/adapter_config.json", dir, which);
	assert_int_equal(json_read_file(&peft, golden_path(buf, path),
					1 << 20), 0);
	for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++)
		json_object_set(ours, key[i][1],
				json_object_get(peft, key[i][0]));
	json_decref(peft);
	return ours;
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
	assert_int_equal(adapter_set_read(&r->set, config, &from,
					  &r->sites), 0);
	assert_int_equal(adapter_set_place(&r->set, 1), 0);
	assert_int_equal(adapter_set_load(&r->set, &from), 0);
	assert_int_equal(program_adapt(m->p, &r->set), 0);
	json_decref(config);
	tensor_set_release(&from);
}

/* B/data: N batches of B rows, padded on the right. */
static size_t open_data(struct samples *s)
{
	struct golden g;
	size_t shape[GOLDEN_RANK], rows, len;
	const int64_t *id, *mask, *label;

	golden_case(&g, "B/data");
	assert_int_equal(golden_shape(&g, "input_ids", shape), 3);
	rows = shape[0] * shape[1];
	len = shape[2];
	id = golden_i64(&g, "input_ids", NULL);
	mask = golden_i64(&g, "attention_mask", NULL);
	label = golden_i64(&g, "labels", NULL);
	for (size_t i = 0; i < rows; i++) {
		uint32_t ids[256];
		int32_t labels[256];
		size_t n = 0;

		for (; n < len && mask[i * len + n]; n++) {
			ids[n] = (uint32_t)id[i * len + n];
			labels[n] = (int32_t)label[i * len + n];
		}
		assert_int_equal(samples_add(s, ids, labels, n), 0);
	}
	golden_close(&g);
	return shape[1];
}

static struct trainer_options options_of(json_t *run, size_t rows)
{
	struct trainer_options o = {
		.optim = optim_find(json_text(run, "opt", "adamw")),
		.move = { 0.9, 0.999, 1e-8, json_number(run, "wd", 0), 0.9 },
		.schedule = schedule_find(json_text(run, "sched", "constant")),
		.lr = json_number(run, "lr", 0),
		.warmup_steps = (size_t)json_number(run, "warmup", 0),
		.max_grad_norm = json_number(run, "clip", 0),
		.accumulate = (size_t)json_number(run, "accum", 1),
		.steps = (size_t)json_number(run, "steps", 0),
		.pack = { .length = 256, .rows = rows, .single = 1 },
	};

	return o;
}

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
	open_base(&r, &m, run);
	open_adapter(&r, &m, r.name, "init");
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
	assert_true(training_compare(&r, &final, "", 0) >= 4);
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
		cmocka_unit_test(dropout_has_the_reference_s_statistics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
