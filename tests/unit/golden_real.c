/* golden_real - SmolLM2-135M-Instruct trained as the reference stack trains
 * it, on bf16 weights and on NF4 (golden G); needs WEFT_MODEL */
#include "formats/collect.h"
#include "quant/quant_nf4.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "golden.h"
#include "training.h"

/* golden/README.md, G: relative to eager attention; norms of the final
 * parameters, which are what is compared of all of them. */
static const struct training_limits limits = {
	.loss = 3e-5, .norm = 5e-5, .rms = 1e-5, .most = 3e-4,
};
static const double final_norm_limit = 1e-3;

static void open_base(struct training *r, struct collection *c,
		      struct pool *pool, int nf4)
{
	char *paths[] = { getenv("WEFT_MODEL"), NULL };

	if (collect_decoded(c, paths))
		fail_msg("%s", err_text());
	for (size_t i = 0; i < c->base.tensors.n; i++) {
		struct tensor *t = &c->base.tensors.at[i], q;
		const struct quant_nf4 how = { 64, 1, QUANT_CPU };

		assert_int_equal(adapter_sites_add(&r->sites, t), 0);
		if (!nf4 || t->role != ROLE_LINEAR)
			continue;
		assert_int_equal(quant_nf4(&q, t, &how, pool), 0);
		tensor_release(t);
		tensor_move(t, &q);
	}
}

static uint64_t splitmix(uint64_t state, uint64_t i)
{
	uint64_t z = state + (i + 1) * 0x9E3779B97F4A7C15;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
	z = (z ^ z >> 27) * 0x94D049BB133111EB;
	return z ^ z >> 31;
}

/* A of the module: uniform within 1 / sqrt(in), from the case's seed. */
static void first_values(struct adapter *a, uint64_t seed)
{
	static const char *const order[] = { "q", "k", "v", "o", "gate", "up",
					     "down" };
	unsigned long layer = strtoul(a->module + strlen("model.layers."),
				      NULL, 10), k = 0;
	float bound = (float)(1 / sqrt((double)a->in));

	for (; k < 7; k++) {
		char name[32];

		snprintf(name, sizeof(name), ".%s_proj", order[k]);
		if (strstr(a->module, name))
			break;
	}
	assert_true(k < 7);
	for (size_t i = 0; i < a->rank * a->in; i++) {
		float u = (float)(splitmix(seed * 1000 + layer * 7 + k, i) >>
				  40) / (float)(1 << 24);

		a->param[0].at[i] = (2 * u - 1) * bound;
	}
}

static void open_adapter(struct training *r, json_t *run)
{
	json_t *config = json_pack("{s:O, s:O, s:s}", "r",
				   json_object_get(run, "r"), "alpha",
				   json_object_get(run, "alpha"),
				   "target_modules", "all-linear");
	json_t *seed = json_object_get(r->g.json, "a_seed");

	assert_int_equal(adapter_set_make(&r->set, config, &r->sites), 0);
	assert_int_equal(adapter_set_place(&r->set, 1), 0);
	for (size_t i = 0; i < r->set.n; i++)
		first_values(&r->set.at[i],
			     (uint64_t)json_integer_value(seed));
	json_decref(config);
}

static void open_data(struct training *r)
{
	size_t shape[GOLDEN_RANK], len;
	const int32_t *id = golden_raw(&r->g, "input_ids", NULL);
	const int32_t *label = golden_raw(&r->g, "labels", NULL);
	const uint8_t *mask = golden_raw(&r->g, "attention_mask", NULL);

	assert_int_equal(golden_shape(&r->g, "input_ids", shape), 2);
	len = shape[1];
	for (size_t i = 0; i < shape[0]; i++) {
		size_t n = 0;

		while (n < len && mask[i * len + n])
			n++;
		assert_int_equal(samples_add(&r->data,
					     (const uint32_t *)id + i * len,
					     label + i * len, n), 0);
	}
}

static void check_final_norms(const struct training *r)
{
	json_t *norms = json_object_get(r->g.json, "final_norms");
	double worst = 0;

	for (size_t i = 0; i < r->set.n; i++)
		for (size_t k = 0; k < 2; k++) {
			const struct adapter *a = &r->set.at[i];
			const struct adapter_param *p = &a->param[k];
			char name[TENSOR_NAME];
			double sum = 0, want;

			snprintf(name, sizeof(name), "base_model.model.%s.%s",
				 a->module, a->kind->peft_name(a, k));
			want = json_number_value(json_object_get(norms, name));
			assert_true(want > 0);
			for (size_t e = 0; e < p->rows * p->cols; e++)
				sum += (double)p->at[e] * (double)p->at[e];
			worst = fmax(worst, fabs(sqrt(sum) - want) / want);
		}
	golden_report(r->name, "final norms, relative", worst,
		      final_norm_limit);
}

static void check_run(void **state)
{
	struct training r = { .name = *state, .limit = limits };
	struct trainer_calls calls = { .ctx = &r, .log = training_log };
	struct collection c = { 0 };
	struct trainer_options o;
	struct program *p = NULL;
	struct pool *pool;
	json_t *run;

	if (!getenv("WEFT_MODEL")) {
		print_message("WEFT_MODEL is not set\n");
		skip();
	}
	golden_case(&r.g, r.name);
	run = json_object_get(r.g.json, "run");
	assert_int_equal(pool_new(&pool, 2), 0);
	open_base(&r, &c, pool, strstr(r.name, "qlora") != NULL);
	open_adapter(&r, run);
	open_data(&r);
	assert_int_equal(program_open(&p, &c.base.tensors, NULL), 0);
	assert_int_equal(program_adapt(p, &r.set), 0);
	o = (struct trainer_options){
		.optim = optim_find("adamw"),
		.move = { 0.9, 0.999, 1e-8, 0, 0 },
		.schedule = schedule_find("constant"),
		.lr = json_number(run, "lr", 0),
		.max_grad_norm = json_number(run, "clip", 0),
		.accumulate = (size_t)json_number(run, "accum", 1),
		.steps = (size_t)json_number(run, "steps", 0),
		.pack = { .length = 4096, .single = 1,
			  .rows = (size_t)json_number(run, "batch", 1) },
	};
	assert_int_equal(trainer_new(&r.t, p, &r.set, pool, &r.data, NULL, &o,
				     &calls), 0);
	assert_int_equal(trainer_start(r.t), 0);
	if (trainer_run(r.t))
		fail_msg("%s: %s", r.name, err_text());
	assert_int_equal(r.step, o.steps);
	assert_true(training_compare(&r, &r.g, "final.", 0) == 8);
	training_report(&r);
	check_final_norms(&r);
	training_close(&r);
	program_free(p);
	collection_release(&c);
	pool_free(pool);
}

#define RUN(name) { "training_" #name "_equals_PEFT", check_run, NULL, NULL, \
		    (void *)(uintptr_t)("G/" #name) }

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(lora_train),
		RUN(qlora_train),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
