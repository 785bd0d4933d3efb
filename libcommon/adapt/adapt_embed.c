/*
 * LoRA at an embedding, as PEFT has it: the row of token t is
 * E_t + s B A_:,t with A (r, V), zero at first, and B (d, r), normal of
 * deviation 1. The weight is (out, in) = (V, d); there is no dropout.
 */
#include "adapt/adapt_kind.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { A, B };

static int embed_shape(struct adapter *a, const struct adapter_options *o)
{
	if (a->role != ROLE_EMBED)
		return err_set(E_CONFIG, "it is no embedding");
	if (!o->rank || o->rank > size_min(a->out, a->in))
		return err_set(E_CONFIG, "rank %zu, want 1 to %zu", o->rank,
			       size_min(a->out, a->in));
	a->rank = o->rank;
	a->alpha = o->alpha;
	a->scale = (float)(o->alpha / (o->rslora ? sqrt((double)o->rank) :
						   (double)o->rank));
	adapter_param_add(a, "lora_embedding_A", o->rank, a->out);
	adapter_param_add(a, "lora_embedding_B", a->in, o->rank);
	a->param[B].plus = 1;
	return 0;
}

static int embed_init(struct adapter *a, const struct weight *w, uint64_t seed)
{
	(void)w;
	memset(a->param[A].at, 0, a->rank * a->out * sizeof(float));
	adapter_init_normal(a, B, 1, seed);
	return 0;
}

/* y (in) += scale B A_:,id */
static void add_row(const struct adapter *a, size_t id, float scale, float *y)
{
	const float *at = a->param[A].at + id, *b = a->param[B].at;

	for (size_t j = 0; j < a->in; j++) {
		float sum = 0;

		for (size_t k = 0; k < a->rank; k++)
			sum = fmaf(b[j * a->rank + k], at[k * a->out], sum);
		y[j] = fmaf(scale, sum, y[j]);
	}
}

static void embed_gather(const struct adapter *a, size_t id, float *y)
{
	add_row(a, id, a->scale, y);
}

static void embed_scatter(const struct adapter *a, const uint32_t *id,
			  struct mat dy)
{
	const float *b = a->param[B].at;
	size_t r = a->rank;

	for (size_t i = 0; i < dy.rows; i++) {
		const float *at = a->param[A].at + id[i], *d = mat_row(dy, i);
		float *da = a->param[A].grad + id[i], *db = a->param[B].grad;

		for (size_t j = 0; j < a->in; j++)
			for (size_t k = 0; k < r; k++) {
				float g = a->scale * d[j];

				db[j * r + k] += g * at[k * a->out];
				da[k * a->out] += g * b[j * r + k];
			}
	}
}

static int embed_merge(const struct adapter *a, const struct weight *w,
		       float scale, float *dst, size_t row, size_t n)
{
	(void)w;
	for (size_t i = 0; i < n; i++)
		add_row(a, row + i, scale * a->scale, dst + i * a->in);
	return 0;
}

static const char *embed_peft_name(const struct adapter *a, size_t i)
{
	return a->param[i].name;
}

const struct adapter_kind adapt_embed = {
	.name = "lora_embedding",
	.mark = "lora_embedding_A",
	.shape = embed_shape,
	.init = embed_init,
	.gather = embed_gather,
	.scatter = embed_scatter,
	.merge = embed_merge,
	.by_sequence = 1,
	.merge_adds = 1,
	.scales = 1,
	.peft_name = embed_peft_name,
};
