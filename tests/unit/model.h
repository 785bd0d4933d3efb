/*
 * model - a small model of the golden set in memory, for tests
 *
 * Include it after "golden.h". model_open() reads <dir>/model, model_adapt()
 * <dir>/adapter, model_batch() the case's input_ids without what is padding.
 */
#ifndef UNIT_MODEL_H
#define UNIT_MODEL_H

#include "arch/program.h"
#include "formats/collect.h"

#include <math.h>
#include <unistd.h>

enum { MODEL_SEQUENCES = 64 };

struct model {
	struct tensor_set base;
	struct program *p;
	struct adapter_set adapters;
	struct pool *pool;
};

struct model_batch {
	struct batch batch;
	size_t start[MODEL_SEQUENCES + 1];
	uint64_t sample[MODEL_SEQUENCES];
	uint32_t *id, *pos;
	int32_t *target;
	size_t *at;             /* (n) place in the case's [B, T] */
};

/* Every tensor of a .safetensors, renamed by name(); 1: no such file. */
static inline int model_tensors(struct tensor_set *s, const char *path,
				void (*name)(char *to, const char *from))
{
	struct golden g;
	const char *key;
	json_t *v;

	if (golden_load(&g, path))
		return 1;
	json_object_foreach(g.header, key, v) {
		char ours[TENSOR_NAME];
		struct tensor t = { 0 };
		size_t shape[GOLDEN_RANK], bytes;
		int rank;

		if (!strcmp(key, "__metadata__"))
			continue;
		snprintf(ours, sizeof(ours), "%s", key);
		if (name)
			name(ours, key);
		rank = golden_shape(&g, key, shape);
		assert_int_equal(tensor_init(&t, ours, ROLE_NONE,
					     golden_dtype(&g, key), rank,
					     shape), 0);
		assert_int_equal(tensor_alloc(&t), 0);
		memcpy(t.part[0].data, golden_raw(&g, key, &bytes),
		       t.part[0].bytes);
		assert_int_equal(bytes, t.part[0].bytes);
		assert_int_equal(tensor_set_take(s, &t), 0);
	}
	golden_close(&g);
	return 0;
}

static inline void model_blob(struct tensor_set *s, const char *name,
			      const void *text, size_t size)
{
	struct tensor t = { 0 };

	assert_int_equal(tensor_init(&t, name, ROLE_BLOB, DTYPE_U8, 1, &size),
			 0);
	assert_int_equal(tensor_alloc(&t), 0);
	memcpy(t.part[0].data, text, size);
	assert_int_equal(tensor_set_take(s, &t), 0);
}

/* "A/llama": what st-import makes of <dir>/model. Skips when it is not
 * there. */
static inline void model_base(struct tensor_set *s, const char *dir)
{
	char path[400], buf[512];
	struct collection c;

	snprintf(path, sizeof(path), "%s/model", dir);
	golden_path(buf, path);
	if (access(buf, F_OK)) {
		print_message("no model %s\n", dir);
		skip();
	}
	if (collect(&c, (char *const[]){ buf, NULL }))
		fail_msg("%s: %s", dir, err_text());
	*s = c.base.tensors;
	c.base.tensors = (struct tensor_set){ 0 };
	collection_release(&c);
}

static inline void model_open(struct model *m, const char *dir, size_t threads)
{
	memset(m, 0, sizeof(*m));
	model_base(&m->base, dir);
	assert_int_equal(pool_new(&m->pool, threads), 0);
	if (program_open(&m->p, &m->base, NULL))
		fail_msg("%s: %s", dir, err_text());
}

static inline void model_close(struct model *m)
{
	program_free(m->p);
	adapter_set_release(&m->adapters);
	tensor_set_release(&m->base);
	pool_free(m->pool);
}

/* "base_model.model.X.lora_A.weight" to "X.lora_A". */
static inline void model_peft_name(char *to, const char *from)
{
	char *end;

	assert_int_equal(strncmp(from, "base_model.model.", 17), 0);
	snprintf(to, TENSOR_NAME, "%s", from + 17);
	end = strstr(to, ".weight");
	assert_non_null(end);
	*end = 0;
}

/* LoRA of rank 4, alpha 8 at every module that the file has. */
static inline void model_adapt(struct model *m, const char *dir)
{
	struct adapter_options o = { .kind = "lora", .rank = 4, .alpha = 8 };
	struct tensor_set from = { 0 };
	const struct program_module *at;
	size_t n = program_modules(m->p, &at);
	char path[400];

	snprintf(path, sizeof(path), "%s/adapter/adapter_model.safetensors",
		 dir);
	assert_int_equal(model_tensors(&from, path, model_peft_name), 0);
	for (size_t i = 0; i < n; i++) {
		struct adapter_site site = { at[i].name, at[i].weight->rows,
					     at[i].weight->cols, at[i].role };

		snprintf(path, sizeof(path), "%s.lora_A", at[i].name);
		if (tensor_set_find(&from, path))
			assert_int_equal(adapter_set_add(&m->adapters, &site,
							 &o), 0);
	}
	assert_int_equal(adapter_set_place(&m->adapters, 1), 0);
	assert_int_equal(adapter_set_load(&m->adapters, &from), 0);
	assert_int_equal(program_adapt(m->p, &m->adapters), 0);
	tensor_set_release(&from);
}

static inline void model_batch_release(struct model_batch *b)
{
	free(b->id);
	free(b->pos);
	free(b->target);
	free(b->at);
}

/* Sequences [first, first + count) of the case, packed. */
static inline void model_batch(struct model_batch *b, struct golden *g,
			       size_t first, size_t count)
{
	size_t shape[GOLDEN_RANK], n = 0;
	const int64_t *id = golden_i64(g, "input_ids", NULL);
	const int64_t *mask = golden_i64(g, "attention_mask", NULL);
	const int64_t *label = golden_i64(g, "labels", NULL);
	size_t len;

	memset(b, 0, sizeof(*b));
	assert_int_equal(golden_shape(g, "input_ids", shape), 2);
	len = shape[1];
	b->id = malloc(count * len * sizeof(*b->id));
	b->pos = malloc(count * len * sizeof(*b->pos));
	b->target = malloc(count * len * sizeof(*b->target));
	b->at = malloc(count * len * sizeof(*b->at));
	for (size_t i = first; i < first + count; i++) {
		b->start[i - first] = n;
		b->sample[i - first] = i;
		for (size_t t = 0; t < len && mask[i * len + t]; t++, n++) {
			size_t at = i * len + t;
			int last = t + 1 == len || !mask[at + 1];

			b->id[n] = (uint32_t)id[at];
			b->pos[n] = (uint32_t)t;
			b->at[n] = at;
			b->target[n] = last ? LABEL_NONE
					    : (int32_t)label[at + 1];
			b->batch.ntarget += b->target[n] != LABEL_NONE;
		}
	}
	b->start[count] = n;
	b->batch.n = n;
	b->batch.nseq = count;
	b->batch.id = b->id;
	b->batch.pos = b->pos;
	b->batch.start = b->start;
	b->batch.sample = b->sample;
	b->batch.target = b->target;
}

static inline size_t model_sequences(const struct golden *g)
{
	size_t shape[GOLDEN_RANK];

	golden_shape(g, "input_ids", shape);
	return shape[0];
}

/* The loss of a row, and what softmax leaves of it, in f64. */
static inline double model_nll(const float *logits, size_t n, size_t target,
			       float *grad, double scale)
{
	double most = logits[0], sum = 0;

	for (size_t i = 0; i < n; i++)
		most = fmax(most, logits[i]);
	for (size_t i = 0; i < n; i++)
		sum += exp(logits[i] - most);
	for (size_t i = 0; grad && i < n; i++)
		grad[i] = (float)(scale * (exp(logits[i] - most) / sum -
					   (i == target)));
	return most + log(sum) - logits[target];
}

#endif
