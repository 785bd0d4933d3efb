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
	if (end && strstr(to, ".lora_"))
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
	if (json_flag(peft, "use_dora", 0))
		json_object_set_new(ours, "kind", json_string("dora"));
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

/* Their names: LoRA+ is AdamW, with other rates. */
static const struct optim_kind *optimizer(const char *name)
{
	static const char *const ours[][2] = {
		{ "loraplus", "adamw" }, { "adamw8_exact", "adamw8bit" },
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!strcmp(name, ours[i][0]))
			name = ours[i][1];
	return optim_find(name);
}

static struct trainer_options options_of(json_t *run, size_t rows)
{
	struct trainer_options o = {
		.optim = optimizer(json_text(run, "opt", "adamw")),
		.move = { 0.9, 0.999, 1e-8, json_number(run, "wd", 0), 0.9,
			  (size_t)json_number(run, "min_8bit_size", 0) },
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
	if (json_object_get(run, "min_8bit_size"))
		r.limit = limits_8bit;
	open_base(&r, &m, run);
	open_adapter(&r, &m, r.name, "init");
	adapter_set_ratio(&r.set, json_number(run, "ratio", 1));
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

/* ---- AdaLoRA: what it keeps, and what it prunes, after every step ---- */

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
		const struct adapter_param *p = &a->param[3 + i];
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
				(double)a->param[2].at[k] - *e));
			assert_int_equal(a->param[9].at[k] > 0, !*mask++);
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
		cmocka_unit_test(adalora_prunes_as_PEFT_does),
		cmocka_unit_test(dropout_has_the_reference_s_statistics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
