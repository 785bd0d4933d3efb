/*
 * Prompt tuning (Lester et al. 2021, arXiv:2104.08691): P (n, hidden), one row
 * for each virtual token, what the layers begin with there. The last one
 * predicts a sequence's first token, as in PEFT.
 */
#include "adapt/soft.h"

#include <string.h>

static int prompt_shape(struct adapter *a, const struct adapter_options *o)
{
	size_t n;

	TRY(soft_tokens(&n, o));
	if (o->cols && o->cols != a->in)
		return err_set(E_CONFIG, "a prompt of %zu columns, the model "
			       "has %zu", o->cols, a->in);
	a->own = json_incref(o->extra);
	return soft_add(a, "embeddings", n, a->in);
}

/* Row i's first value: the embedding of a token. */
static int begin_as(struct adapter *a, const struct weight *w, size_t i,
		    size_t token)
{
	json_t *config = a->own;
	float *to = a->param[0].at + i * a->in;
	float scale = (float)json_number(config, "embed_scale", 1);

	if (token >= w->rows)
		return err_set(E_CONFIG, "init_ids: token %zu, the vocabulary "
			       "has %zu", token, w->rows);
	w->format->rows(w, to, token, 1);
	for (size_t k = 0; scale != 1 && k < a->in; k++)
		to[k] *= scale;
	return 0;
}

static int begin_random(struct adapter *a, uint64_t seed)
{
	struct rng r = rng_of(seed, "prompt.embeddings");

	for (size_t k = 0; k < a->param[0].rows * a->in; k++)
		a->param[0].at[k] = rng_uniform(r, k) - 0.5f;
	return 0;
}

static int begin_vocab(struct adapter *a, const struct weight *w,
		       uint64_t seed)
{
	struct rng r = rng_of(seed, "prompt.embeddings");

	for (size_t i = 0; i < a->param[0].rows; i++)
		TRY(begin_as(a, w, i, (size_t)rng_below(r, i, w->rows)));
	return 0;
}

static int begin_text(struct adapter *a, const struct weight *w)
{
	json_t *ids = json_object_get(a->own, "init_ids");
	size_t n = json_array_size(ids);

	if (!n)
		return err_set(E_CONFIG, "init_ids: the text has no token");
	for (size_t i = 0; i < a->param[0].rows; i++) {
		json_int_t id =
			json_integer_value(json_array_get(ids, i % n));

		TRY(begin_as(a, w, i, id < 0 ? SIZE_MAX : (size_t)id));
	}
	return 0;
}

static int prompt_init(struct adapter *a, const struct weight *w,
		       uint64_t seed)
{
	const char *how = json_text(a->own, "init", "vocab");

	if (!strcmp(how, "random"))
		return begin_random(a, seed);
	if (!strcmp(how, "vocab"))
		return begin_vocab(a, w, seed);
	if (!strcmp(how, "text"))
		return begin_text(a, w);
	return err_set(E_CONFIG, "init: a prompt does not begin as \"%s\"",
		       how);
}

static int prompt_check(const struct adapter *a, const struct adapter_model *m)
{
	if (a->in == m->hidden)
		return 0;
	return err_set(E_CONFIG, "a prompt of %zu columns, the model has %zu",
		       a->in, m->hidden);
}

static struct mat prompt_embedding(const struct adapter *a, size_t layer,
				   int grad)
{
	(void)layer;
	return soft_table(a, grad);
}

static struct mat prompt_keys(const struct adapter *a, size_t layer, int grad)
{
	(void)a;
	(void)layer;
	(void)grad;
	return (struct mat){ 0 };
}

static void prompt_release(struct adapter *a)
{
	json_decref(a->own);
}

static const struct adapter_front front = {
	.predicts = 1,
	.check = prompt_check,
	.embedding = prompt_embedding,
	.keys = prompt_keys,
	.values = prompt_keys,
};

const struct adapter_kind adapt_prompt = {
	.name = "prompt",
	.mark = "embeddings",
	.shape = prompt_shape,
	.init = prompt_init,
	.needs_weight = 1,
	.by_sequence = 1,
	.describe = soft_describe,
	.peft_name = soft_peft_name,
	.front = &front,
	.release = prompt_release,
};
