/*
 * The bias of a layer, trained in its own place: PEFT's bias = "all" or
 * "lora_only", and the bias of a module that is trained whole.
 *
 * It is a parameter "bias" (1, out) that any adapter may have beside its own,
 * and where no adapter stands, as at a norm, it is the only one of this kind.
 * It is what is used, not an addition to the base's; db is the column sums of
 * dy, and nothing decays it.
 */
#include "adapt/adapt_kind.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "weight/plain.h"
#include "weight/storage.h"

enum { COLS = 64 };

void adapter_bias_add(struct adapter *a)
{
	adapter_param_add(a, "bias", 1, a->out);
	a->bias = a->nparam;
	a->param[a->bias - 1].plus = 1;
	a->param[a->bias - 1].no_decay = 1;
}

const struct adapter_param *adapter_bias(const struct adapter *a)
{
	return a && a->bias ? &a->param[a->bias - 1] : NULL;
}

int adapter_bias_init(struct adapter *a, const struct tensor_set *base)
{
	const struct adapter_param *p = adapter_bias(a);
	char name[TENSOR_NAME];
	const struct tensor *t;

	if (!p)
		return 0;
	t = tensor_set_find(base, adapter_param_name(name, a, a->bias - 1));
	if (!t || t->count != a->out)
		return err_set(E_DATA, "the base has no %s of %zu values",
			       name, a->out);
	return weight_decode(t, p->at, 0, t->count);
}

/* ---- the gradient ---- */

struct sums {
	float *to;
	struct mat dy;
	size_t cols;            /* of the bias; dy has it whole times */
	const size_t *start;
	size_t nseq;
};

static void add_columns(void *ctx, size_t task, size_t lane)
{
	const struct sums *s = ctx;
	size_t first = task * COLS, n = size_min(COLS, s->cols - first);

	(void)lane;
	for (size_t q = 0; q < s->nseq; q++) {
		float sum[COLS] = { 0 };

		for (size_t i = s->start[q]; i < s->start[q + 1]; i++)
			for (size_t h = 0; h < s->dy.cols; h += s->cols) {
				const float *dy = mat_row(s->dy, i) + h;

				for (size_t k = 0; k < n; k++)
					sum[k] += dy[first + k];
			}
		for (size_t k = 0; k < n; k++)
			s->to[first + k] += sum[k];
	}
}

void adapter_bias_gradient(const struct adapter *a, const struct adapt_pass *p,
			   struct mat dy)
{
	const struct adapter_param *b = adapter_bias(a);
	struct sums s = { .dy = dy };
	size_t whole[2];

	if (!b || !b->grad)
		return;
	s.to = b->grad;
	s.cols = b->cols;
	s.nseq = adapter_sequences(p, dy.rows, whole, &s.start);
	pool_run(p->pool, size_ceil(s.cols, COLS), add_columns, &s);
}

/* ---- where it stands alone ---- */

static int bias_shape(struct adapter *a, const struct adapter_options *o)
{
	(void)o;
	a->scale = 1;
	return 0;
}

static int bias_init(struct adapter *a, const struct weight *w, uint64_t seed)
{
	(void)a;
	(void)w;
	(void)seed;
	return 0;
}

static int bias_merge(const struct adapter *a, const struct weight *w,
		      float scale, float *dst, size_t row, size_t n)
{
	(void)a;
	(void)w;
	(void)scale;
	(void)dst;
	(void)row;
	(void)n;
	return 0;
}

static const char *bias_peft_name(const struct adapter *a, size_t i)
{
	return a->param[i].name;
}

const struct adapter_kind adapt_bias = {
	.name = "bias",
	.mark = "bias",
	.shape = bias_shape,
	.init = bias_init,
	.merge = bias_merge,
	.by_sequence = 1,
	.merge_adds = 1,
	.peft_name = bias_peft_name,
};
