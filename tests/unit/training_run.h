/*
 * training_run - golden B's base, data and options, as ours
 *
 * Include it after "golden.h", "model.h" and "training.h".
 */
#ifndef UNIT_TRAINING_RUN_H
#define UNIT_TRAINING_RUN_H

#include "quant/quant_nf4.h"

/* PEFT's names to ours: "X.lora_A.weight" is "X.lora_A". */
static inline void our_name(char *to, const char *from)
{
	char *end;

	if (!strcmp(from, "prompt_embeddings")) {
		snprintf(to, TENSOR_NAME, "%s", from);
		return;
	}
	assert_int_equal(strncmp(from, "base_model.model.", 17), 0);
	snprintf(to, TENSOR_NAME, "%s", from + 17);
	end = strstr(to, ".weight");
	if (end && strstr(to, ".lora_"))
		*end = 0;
}

static inline enum tensor_role role_of(const char *name)
{
	if (strstr(name, "embed_tokens"))
		return ROLE_EMBED;
	return strstr(name, "lm_head") ? ROLE_HEAD : ROLE_LINEAR;
}

static inline void open_base(struct training *r, struct model *m, json_t *run)
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

/* B/data: N batches of B rows, padded on the right. */
static inline size_t open_data(struct samples *s)
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
static inline const struct optim_kind *optimizer(const char *name)
{
	static const char *const ours[][2] = {
		{ "loraplus", "adamw" }, { "adamw8_exact", "adamw8bit" },
		{ "bnb_adamw32", "adamw" }, { "bnb_adamw8", "adamw8bit" },
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!strcmp(name, ours[i][0]))
			name = ours[i][1];
	return optim_find(name);
}

static inline struct trainer_options options_of(json_t *run, size_t rows)
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

#endif
