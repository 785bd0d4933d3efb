/*
 * Single rows of an embedding or a head, trained in the place of the base's:
 * PEFT's trainable_token_indices. D (n, in) holds the rows of tokens t_1..t_n,
 * whole and not as differences; a row begins as the base's, and that of a token
 * which the base's vocabulary had not as the mean of the rows before it, where
 * "mean embedding" starts new words too (Hewitt 2021, "Initializing New Word
 * Embeddings for Pretrained Language Models").
 *
 * At a product, y_t = x D_t: the columns of t are computed apart, and before
 * backward they are taken out of dy, so that dx = dy W + dy_t D. keep is those
 * columns (rows, n). A head that is tied to the embedding has the same rows.
 */
#include "adapt/adapt_kind.h"

#include <stdlib.h>
#include <string.h>

#include "adapt/match.h"
#include "base/size.h"

struct slot {
	uint32_t id;
	uint32_t row;           /* of D */
	int added;              /* the base has no row for it */
};

struct tokens {
	struct slot *slot;      /* (n) by id */
	size_t n;
	float *head;            /* (n, in) an embedding's gradient at a head
				 * that is tied to it; NULL at a product */
};

static int by_id(const void *x, const void *y)
{
	const struct slot *a = x, *b = y;

	return a->id < b->id ? -1 : a->id > b->id;
}

/* D's row of a token; NULL: the base has it. */
static float *row_of(const struct adapter *a, size_t id, float *d)
{
	const struct tokens *t = a->own;
	struct slot key = { .id = (uint32_t)id };
	const struct slot *s = bsearch(&key, t->slot, t->n, sizeof(key),
				       by_id);

	return s ? d + s->row * a->in : NULL;
}

/* ---- which tokens ---- */

static int is_added(json_t *config, json_int_t id)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(config, "added_tokens"), i, one)
		if (json_integer_value(json_object_get(one, "id")) == id)
			return 1;
	return 0;
}

static int fill(struct tokens *t, json_t *ids, json_t *config, size_t out)
{
	json_t *v;
	size_t i;

	json_array_foreach(ids, i, v) {
		json_int_t id = json_integer_value(v);

		if (!json_is_integer(v) || id < 0 || (size_t)id >= out)
			return err_set(E_CONFIG, "%s: token %lld, and there "
				       "are %zu rows", adapt_tokens.list,
				       (long long)id, out);
		t->slot[t->n++] = (struct slot){ (uint32_t)id, (uint32_t)i,
						 is_added(config, id) };
	}
	qsort(t->slot, t->n, sizeof(*t->slot), by_id);
	for (i = 1; i < t->n; i++)
		if (t->slot[i].id == t->slot[i - 1].id)
			return err_set(E_CONFIG, "%s: token %u is there twice",
				       adapt_tokens.list, t->slot[i].id);
	return 0;
}

static int tokens_shape(struct adapter *a, const struct adapter_options *o)
{
	struct tokens *t = calloc(1, sizeof(*t));
	json_t *ids = NULL;
	size_t n;

	a->own = t;
	if (!t)
		return err_set(E_NOMEM, "out of memory");
	match_listed(json_object_get(o->extra, adapt_tokens.list), a->module,
		     &ids);
	n = json_array_size(ids);
	if (!n)
		return err_set(E_CONFIG, "%s: no list of tokens",
			       adapt_tokens.list);
	a->own_bytes = n * sizeof(*t->slot);
	t->slot = calloc(n, sizeof(*t->slot));
	if (a->role == ROLE_EMBED) {
		a->own_bytes += n * a->in * sizeof(*t->head);
		t->head = calloc(n, a->in * sizeof(*t->head));
	}
	if (!t->slot || (a->role == ROLE_EMBED && !t->head))
		return err_set(E_NOMEM, "out of memory");
	TRY(fill(t, ids, o->extra, a->out));
	a->scale = 1;
	a->keep = n;
	adapter_param_add(a, "trainable_tokens_delta", n, a->in);
	return 0;
}

/* ---- first values ---- */

/* The mean of rows [0, n). */
static int mean(const struct weight *w, size_t n, float *to)
{
	double *sum = calloc(w->cols, sizeof(*sum));
	float *row = malloc(w->cols * sizeof(*row));
	int err = sum && row ? 0 : err_set(E_NOMEM, "out of memory");

	for (size_t i = 0; !err && i < n; i++) {
		w->format->rows(w, row, i, 1);
		for (size_t k = 0; k < w->cols; k++)
			sum[k] += (double)row[k];
	}
	for (size_t k = 0; !err && k < w->cols; k++)
		to[k] = (float)(sum[k] / (double)size_max(n, 1));
	free(sum);
	free(row);
	return err;
}

/* The base may be without the rows of what was added. */
static int tokens_init(struct adapter *a, const struct weight *w,
		       uint64_t seed)
{
	const struct tokens *t = a->own;
	const float *first = NULL;

	(void)seed;
	for (size_t i = 0; i < t->n; i++) {
		float *to = a->param[0].at + t->slot[i].row * a->in;

		if (!t->slot[i].added)
			w->format->rows(w, to, t->slot[i].id, 1);
		else if (first)
			memcpy(to, first, a->in * sizeof(*to));
		else
			TRY(mean(w, size_min(t->slot[i].id, w->rows), to));
		if (t->slot[i].added)
			first = to;
	}
	return 0;
}

/* ---- at an embedding ---- */

static void tokens_gather(const struct adapter *a, size_t id, float *y)
{
	const float *from = row_of(a, id, a->param[0].at);

	if (from)
		memcpy(y, from, a->in * sizeof(*y));
}

static void tokens_scatter(const struct adapter *a, const uint32_t *id,
			   struct mat dy)
{
	for (size_t i = 0; i < dy.rows; i++) {
		float *to = row_of(a, id[i], a->param[0].grad);

		for (size_t k = 0; to && k < a->in; k++)
			to[k] += mat_row(dy, i)[k];
	}
}

/* ---- at a product ---- */

static void tokens_after(const struct adapter *a, const struct adapt_pass *p,
			 const struct weight *w, struct mat y, struct mat x)
{
	const struct tokens *t = a->own;
	struct gemm_output o = { .y = p->keep.at, .stride = p->keep.stride,
				 .n = t->n, .nterm = 1 };

	(void)w;
	o.term[0] = (struct gemm_term){ x.at, x.stride, a->in, gemm_pack_dense,
					&a->param[0].dense, GEMM_NT };
	gemm(p->pool, p->space, x.rows, &o, 1);
	for (size_t i = 0; i < y.rows; i++)
		for (size_t k = 0; k < t->n; k++)
			mat_row(y, i)[t->slot[k].id] =
				mat_row(p->keep, i)[t->slot[k].row];
}

static void tokens_before(const struct adapter *a, const struct adapt_pass *p,
			  const struct weight *w, struct mat dy, struct mat x)
{
	const struct tokens *t = a->own;

	(void)w;
	(void)x;
	for (size_t i = 0; i < dy.rows; i++)
		for (size_t k = 0; k < t->n; k++) {
			float *d = &mat_row(dy, i)[t->slot[k].id];

			mat_row(p->keep, i)[t->slot[k].row] = *d;
			*d = 0;
		}
}

static void tokens_backward(const struct adapter *a,
			    const struct adapt_pass *p, struct mat dy,
			    struct mat x, struct gemm_output *dx)
{
	struct mat kept = { p->keep.at, dy.rows, a->keep, p->keep.stride };
	const struct tokens *t = a->own;

	adapter_gradient(p, t->head ? t->head : a->param[0].grad, a->in, kept,
			 x);
	if (dx)
		dx->term[dx->nterm++] = (struct gemm_term){
			kept.at, kept.stride, kept.cols, gemm_pack_dense,
			&a->param[0].dense, GEMM_NN };
}

static void tokens_gathered(const struct adapter *a)
{
	const struct tokens *t = a->own;

	for (size_t i = 0; t->head && i < t->n * a->in; i++) {
		a->param[0].grad[i] += t->head[i];
		t->head[i] = 0;
	}
}

/* ---- the rest ---- */

static int tokens_merge(const struct adapter *a, const struct weight *w,
			float scale, float *dst, size_t row, size_t n)
{
	(void)w;
	for (size_t i = 0; i < n; i++) {
		const float *from = row_of(a, row + i, a->param[0].at);
		float *to = dst + i * a->in;

		for (size_t k = 0; from && k < a->in; k++)
			to[k] = scale == 1 ? from[k] :
				to[k] + scale * (from[k] - to[k]);
	}
	return 0;
}

static const char *tokens_peft_name(const struct adapter *a, size_t i)
{
	(void)a;
	(void)i;
	return "token_adapter.trainable_tokens_delta";
}

static void tokens_release(struct adapter *a)
{
	struct tokens *t = a->own;

	if (t) {
		free(t->slot);
		free(t->head);
	}
	free(t);
}

const struct adapter_kind adapt_tokens = {
	.name = "tokens",
	.mark = "trainable_tokens_delta",
	.list = "trainable_token_indices",
	.follows = 1,
	.needs_weight = 1,
	.shape = tokens_shape,
	.init = tokens_init,
	.after = tokens_after,
	.before = tokens_before,
	.backward = tokens_backward,
	.gather = tokens_gather,
	.scatter = tokens_scatter,
	.gathered = tokens_gathered,
	.merge = tokens_merge,
	.peft_name = tokens_peft_name,
	.release = tokens_release,
};
