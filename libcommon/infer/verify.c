#include "infer/verify.h"

#include <stdio.h>
#include <string.h>

#include "infer/model.h"

/* Takes t's contents. */
static int take(struct verify *v, struct tensor_set *set, struct tensor *t)
{
	if (v->keep)
		TRY(v->keep(v->keep_ctx, set, t));
	return tensor_set_take(set, t);
}

int verify_before(struct verify *v, struct tensor *t, const struct merger *m,
		  struct pool *pool)
{
	struct merger first = { .at = m->at, .n = m->n ? m->n - 1 : 0 };
	struct tensor merged;

	if (first.n && merger_changes(&first, t->name)) {
		TRY(merge_tensor(&merged, t, &first, DTYPE_F32, pool));
		tensor_release(t);
		tensor_move(t, &merged);
	}
	return take(v, &v->before, t);
}

int verify_after(struct verify *v, struct tensor *t)
{
	return take(v, &v->after, t);
}

int verify_was(struct verify *v, const struct tensor *t)
{
	struct tensor twin;
	int err;

	TRY(tensor_copy(&twin, t));
	err = take(v, &v->before, &twin);
	tensor_release(&twin);
	return err;
}

int verify_both(struct verify *v, struct tensor *t)
{
	TRY(verify_was(v, t));
	return verify_after(v, t);
}

/* The kind that a parameter of the adapter is of; NULL: it is a bias. */
static const struct adapter_kind *kind_of(json_t *config, const char *param)
{
	const char *dot = strrchr(param, '.');
	const struct adapter_kind *kind;
	char module[TENSOR_NAME];

	if (!dot || !strcmp(dot + 1, adapt_bias.mark))
		return NULL;
	kind = adapter_kind_marked(dot + 1);
	if (kind)
		return kind;
	snprintf(module, sizeof(module), "%.*s", (int)(dot - param), param);
	return adapter_kind_find(json_text(adapter_config_at(config, module),
					   "kind", "lora"));
}

/* What has no scale. */
static const char *thing(const struct adapter_kind *kind)
{
	return !kind ? "a bias" : kind->list ? "what was trained whole" :
	       kind->name;
}

/* Is another adapter at the module of this parameter of the last? */
static int is_shared(const struct merger *m, const char *param)
{
	size_t n = (size_t)(strrchr(param, '.') - param) + 1;

	for (size_t i = 0; i + 1 < m->n; i++)
		for (size_t k = 0; k < m->at[i].tensors.n; k++) {
			const char *name = m->at[i].tensors.at[k].name;

			if (!strncmp(name, param, n) && !strchr(name + n, '.'))
				return 1;
		}
	return 0;
}

int verify_allows(const struct merger *m)
{
	const struct merge_adapter *last = &m->at[m->n - 1];

	for (size_t i = 0; i < last->tensors.n; i++) {
		const struct tensor *t = &last->tensors.at[i];
		const struct adapter_kind *kind;

		if (t->role != ROLE_ADAPTER || !strchr(t->name, '.'))
			continue;
		kind = kind_of(last->config, t->name);
		if (last->scale != 1 && (!kind || !kind->scales))
			return err_set(E_CONFIG, "%s: beside its base %s has "
				       "no scale, so one of %g cannot be "
				       "verified; leave out --verify, or "
				       "--scale", t->name, thing(kind),
				       (double)last->scale);
		if (kind && kind->refresh && is_shared(m, t->name))
			return err_set(E_CONFIG, "%s: %s depends on its base "
				       "without the other adapters, and is "
				       "verified beside the base with them; "
				       "name it first, or leave out --verify",
				       t->name, thing(kind));
	}
	return 0;
}

static int run(struct verify *v, struct model *beside, struct model *merged,
	       struct samples *data, size_t tokens, uint64_t seed,
	       struct pool *pool)
{
	if (!data->n)
		TRY(compare_random(data, v->front.n ? v->front.first :
					 program_vocab(beside->program),
				   tokens, seed));
	return compare_models(&v->result, beside->program, merged->program,
			      v->front, data, tokens, v->memory, pool);
}

int verify_run(struct verify *v, struct merger *m, struct samples *data,
	       size_t tokens, uint64_t seed, struct pool *pool)
{
	struct model beside = { 0 }, merged = { 0 };
	struct merge_adapter *last = &m->at[m->n - 1];
	int err = model_open(&beside, &v->before, &last->tensors,
			     last->config);

	for (size_t i = 0; !err && i < beside.adapters->n; i++)
		beside.adapters->at[i].scale *= last->scale;
	if (!err)
		err = model_open(&merged, &v->after, NULL, NULL);
	if (!err)
		err = run(v, &beside, &merged, data, tokens, seed, pool);
	model_release(&beside);
	model_release(&merged);
	return err;
}

static int same_bytes(const struct tensor *a, const struct tensor *b)
{
	return a && tensor_is_plain(a) && a->dtype == b->dtype &&
	       a->count == b->count &&
	       !memcmp(a->part[0].data, b->part[0].data, b->part[0].bytes);
}

/* Is t a dense weight that is not as it was before? */
static int is_rounded(int *is, const struct verify *v, const struct tensor *t)
{
	const struct tensor *was = tensor_set_find(&v->before, t->name);

	*is = 0;
	if (!tensor_is_plain(t))
		return 0;
	TRY(tensor_set_borrow(&v->after, t));
	if (was)
		TRY(tensor_set_borrow(&v->before, was));
	*is = !same_bytes(was, t);
	if (was)
		TRY(tensor_set_return(&v->before, was));
	return tensor_set_return(&v->after, t);
}

/* Rounding a weight once is an error of 2^-9 (bf16) or 2^-12 (f16); deep
 * models make up to ten times that of it. */
int verify_tolerance(double *most, const struct verify *v, int requantised)
{
	static const double by_type[DTYPE_COUNT] = {
		[DTYPE_F32] = VERIFY_EXACT,
		[DTYPE_F16] = 1e-2, [DTYPE_BF16] = 5e-2,
	};

	*most = requantised ? 0.5 : by_type[DTYPE_F32];
	for (size_t i = 0; i < v->after.n; i++) {
		const struct tensor *t = &v->after.at[i];
		int is = 0;

		if (by_type[t->dtype] > *most)
			TRY(is_rounded(&is, v, t));
		if (is)
			*most = by_type[t->dtype];
	}
	return 0;
}

void verify_release(struct verify *v)
{
	tensor_set_release(&v->before);
	tensor_set_release(&v->after);
	memset(v, 0, sizeof(*v));
}
