#include "infer/verify.h"

#include <string.h>

#include "infer/model.h"

int verify_before(struct verify *v, struct tensor *t)
{
	return tensor_set_take(&v->before, t);
}

int verify_after(struct verify *v, struct tensor *t)
{
	return tensor_set_take(&v->after, t);
}

int verify_was(struct verify *v, const struct tensor *t)
{
	struct tensor twin;
	int err;

	TRY(tensor_copy(&twin, t));
	err = tensor_set_take(&v->before, &twin);
	tensor_release(&twin);
	return err;
}

int verify_both(struct verify *v, struct tensor *t)
{
	TRY(verify_was(v, t));
	return verify_after(v, t);
}

/* Folds all adapters but the last into the base, in f32. */
static int fold(struct verify *v, const struct merger *m, struct pool *pool)
{
	struct merger first = { .at = m->at, .n = m->n - 1 };

	for (size_t i = 0; first.n && i < v->before.n; i++) {
		struct tensor *t = &v->before.at[i], merged;

		if (!merger_changes(&first, t->name))
			continue;
		TRY(merge_tensor(&merged, t, &first, DTYPE_F32, pool));
		tensor_release(t);
		*t = merged;
	}
	return 0;
}

static int scale_adapters(struct adapter_set *s, float scale)
{
	for (size_t i = 0; scale != 1 && i < s->n; i++) {
		if (!s->at[i].kind->merge_adds)
			return err_set(E_CONFIG, "%s was trained whole: with "
				       "a scale of %g it cannot be verified",
				       s->at[i].module, (double)scale);
		s->at[i].scale *= scale;
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
			      v->front, data, tokens, pool);
}

int verify_run(struct verify *v, struct merger *m, struct samples *data,
	       size_t tokens, uint64_t seed, struct pool *pool)
{
	struct model beside = { 0 }, merged = { 0 };
	struct merge_adapter *last = &m->at[m->n - 1];
	int err = fold(v, m, pool);

	if (!err)
		err = model_open(&beside, &v->before, &last->tensors,
				 last->config);
	if (!err)
		err = scale_adapters(beside.adapters, last->scale);
	if (!err)
		err = model_open(&merged, &v->after, NULL, NULL);
	if (!err)
		err = run(v, &beside, &merged, data, tokens, seed, pool);
	model_release(&beside);
	model_release(&merged);
	return err;
}

/* Is t a dense weight that is not as it was before? */
static int is_rounded(const struct verify *v, const struct tensor *t)
{
	const struct tensor *was = tensor_set_find(&v->before, t->name);

	return tensor_is_plain(t) &&
	       !(was && tensor_is_plain(was) && was->dtype == t->dtype &&
		 was->count == t->count &&
		 !memcmp(was->part[0].data, t->part[0].data,
			 t->part[0].bytes));
}

/* Rounding a weight once is an error of 2^-9 (bf16) or 2^-12 (f16); deep
 * models make up to ten times that of it. */
double verify_tolerance(const struct verify *v, int requantised)
{
	static const double by_type[DTYPE_COUNT] = {
		[DTYPE_F32] = 1e-4, [DTYPE_F16] = 1e-2, [DTYPE_BF16] = 5e-2,
	};
	double most = requantised ? 0.5 : by_type[DTYPE_F32];

	for (size_t i = 0; i < v->after.n; i++)
		if (is_rounded(v, &v->after.at[i]) &&
		    by_type[v->after.at[i].dtype] > most)
			most = by_type[v->after.at[i].dtype];
	return most;
}

void verify_release(struct verify *v)
{
	tensor_set_release(&v->before);
	tensor_set_release(&v->after);
	memset(v, 0, sizeof(*v));
}
