/* golden_train - whole trainings against PEFT's, step by step (golden B) */
#include "adapt/spec.h"
#include "quant/quant_nf4.h"
#include "train/trainer.h"

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

/* golden/README.md: losses 1e-5, norms 5e-5 relative, parameters 1e-5 RMS and
 * 3e-4 at most, first gradients 3e-5 relative RMS. */
static const double loss_tolerance = 1e-5, norm_tolerance = 5e-5;
static const double rms_tolerance = 1e-5, max_tolerance = 3e-4;
static const double grad_tolerance = 3e-5;

struct training {
	struct golden g;
	struct model m;
	struct adapter_sites sites;
	struct samples data;
	struct trainer *t;
	const char *name;
	size_t step;
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

static void open_base(struct training *r, json_t *run)
{
	memset(&r->m, 0, sizeof(r->m));
	assert_int_equal(pool_new(&r->m.pool, 2), 0);
	model_base(&r->m.base, "A/llama");
	for (size_t i = 0; i < r->m.base.n; i++) {
		struct tensor *t = &r->m.base.at[i], q;
		const struct quant_nf4 how = { 64, 1, QUANT_CPU };

		if (t->rank != 2)
			continue;
		t->role = role_of(t->name);
		assert_int_equal(adapter_sites_add(&r->sites, t), 0);
		if (!json_is_true(json_object_get(run, "nf4")) ||
		    t->role != ROLE_LINEAR)
			continue;
		assert_int_equal(quant_nf4(&q, t, &how, r->m.pool), 0);
		tensor_release(t);
		tensor_move(t, &q);
	}
	assert_int_equal(program_open(&r->m.p, &r->m.base, NULL), 0);
}

/* An adapter_config.json as our configuration. */
static json_t *our_config(const char *dir)
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

	snprintf(path, sizeof(path), "%s/init/adapter_config.json", dir);
	assert_int_equal(json_read_file(&peft, golden_path(buf, path),
					1 << 20), 0);
	for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++)
		json_object_set(ours, key[i][1],
				json_object_get(peft, key[i][0]));
	json_decref(peft);
	return ours;
}

static void open_adapter(struct training *r, const char *dir)
{
	struct tensor_set from = { 0 };
	char path[400];
	json_t *config = our_config(dir);

	snprintf(path, sizeof(path), "%s/init/adapter_model.safetensors", dir);
	assert_int_equal(model_tensors(&from, path, our_name), 0);
	for (size_t i = 0; i < from.n; i++)
		from.at[i].role = ROLE_ADAPTER;
	assert_int_equal(adapter_set_read(&r->m.adapters, config, &from,
					  &r->sites), 0);
	assert_int_equal(adapter_set_place(&r->m.adapters, 1), 0);
	assert_int_equal(adapter_set_load(&r->m.adapters, &from), 0);
	assert_int_equal(program_adapt(r->m.p, &r->m.adapters), 0);
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

static double wanted(const struct training *r, const char *key, size_t step)
{
	json_t *v = json_array_get(json_object_get(r->g.json, key), step);

	assert_non_null(v);
	return json_number_value(v);
}

static void close_to(const struct training *r, const char *key, double got,
		     double tolerance)
{
	double want = wanted(r, key, r->step);

	if (fabs(got - want) > tolerance * (fabs(want) > 1 ? fabs(want) : 1))
		fail_msg("%s: step %zu: %s is %.9g, want %.9g", r->name,
			 r->step, key, got, want);
}

/* Every parameter against "<prefix><PEFT name>" in g. */
static void compare(struct training *r, struct golden *g, const char *prefix,
		    int gradients)
{
	const struct adapter_set *s = &r->m.adapters;

	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; k < s->at[i].nparam; k++) {
			const struct adapter_param *p = &s->at[i].param[k];
			const struct adapter *a = &s->at[i];
			double sum = 0, most = 0, size = 0, scale = 1;
			char name[TENSOR_NAME];
			const float *want, *got = p->at;
			size_t n;

			if (gradients) {
				got = p->grad;
				scale = 1 / wanted(r, "label_tokens", 0);
			}
			snprintf(name, sizeof(name), "%sbase_model.model.%s.%s",
				 prefix, a->module, a->kind->peft_name(a, k));
			want = golden_f32(g, name, &n);
			assert_int_equal(n, p->rows * p->cols);
			for (size_t e = 0; e < n; e++) {
				double d = fabs((double)got[e] * scale -
						(double)want[e]);

				sum += d * d;
				size += (double)want[e] * (double)want[e];
				most = fmax(most, d);
			}
			sum = sqrt(sum / (double)n);
			size = sqrt(size / (double)n);
			if (gradients ? sum > grad_tolerance * size :
					sum > rms_tolerance ||
						most > max_tolerance)
				fail_msg("%s: %s: RMS %g of %g, at most %g",
					 r->name, name, sum, size, most);
		}
}

static int on_log(void *ctx, json_t *line)
{
	struct training *r = ctx;

	close_to(r, "loss", json_number(line, "loss", -1), loss_tolerance);
	close_to(r, "grad_norm", json_number(line, "grad_norm", -1),
		 norm_tolerance);
	close_to(r, "lr", json_number(line, "learning_rate", -1), 1e-12);
	assert_true(wanted(r, "label_tokens", r->step) ==
		    json_number(line, "label_tokens", -1));
	if (!r->step && golden_has(&r->g, "grad0.base_model.model.model.layers."
				   "0.self_attn.q_proj.lora_B.weight")) {
		compare(r, &r->g, "grad0.", 1);
		compare(r, &r->g, "step1.", 0);
	}
	r->step++;
	return 0;
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
	struct training r = { .name = *state };
	struct trainer_calls calls = { .ctx = &r, .log = on_log };
	struct trainer_options o;
	struct golden final;
	char path[400];
	json_t *run;

	golden_case(&r.g, r.name);
	run = json_object_get(r.g.json, "run");
	open_base(&r, run);
	open_adapter(&r, r.name);
	o = options_of(run, open_data(&r.data));
	assert_int_equal(trainer_new(&r.t, r.m.p, &r.m.adapters, r.m.pool,
				     &r.data, NULL, &o, &calls), 0);
	assert_int_equal(trainer_start(r.t), 0);
	if (trainer_run(r.t))
		fail_msg("%s: %s", r.name, err_text());
	assert_int_equal(r.step, o.steps);
	snprintf(path, sizeof(path), "%s/final/adapter_model.safetensors",
		 r.name);
	assert_int_equal(golden_load(&final, path), 0);
	compare(&r, &final, "", 0);
	golden_close(&final);
	golden_close(&r.g);
	trainer_free(r.t);
	model_close(&r.m);
	adapter_sites_release(&r.sites);
	samples_release(&r.data);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
