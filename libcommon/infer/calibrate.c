/*
 * Who looks at a linear layer's input is an adapter that adds nothing: its
 * forward() is called with the input before the product, and puts the weight
 * that it has just quantised in the place of the product's.
 */
#include "infer/calibrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapt/adapt.h"
#include "base/digest.h"
#include "base/size.h"
#include "infer/feed.h"

struct work;

struct watched {
	struct work *work;
	struct tensor *from;    /* the base's */
	const struct quant_int *how;
	int gptq;
	struct tensor to;
	struct weight weight;   /* to, bound */
};

struct work {
	const struct calibrate *c;
	struct tensor_set *base;
	struct program *program;
	struct adapter_set set;
	struct watched *watched; /* (set.n) */
	struct feed feed;
	struct pool *pool;
	struct gptq_factor factor; /* of the input with this digest: those of
				    * q, k and v are one */
	uint64_t input;
	int err;
};

/* ---- a layer ---- */

static uint64_t name_of(struct mat x)
{
	uint64_t *row = calloc(x.rows, sizeof(*row)), all = 0;

	for (size_t i = 0; row && i < x.rows; i++)
		row[i] = digest_64(mat_row(x, i), x.cols * sizeof(float));
	if (row)
		all = digest_64(row, x.rows * sizeof(*row));
	free(row);
	return all;
}

static int find_factor(struct work *w, struct mat x)
{
	const size_t whole[] = { 0, x.rows };
	uint64_t name = name_of(x);
	float *h;
	int err;

	if (w->factor.n == x.cols && name && name == w->input)
		return 0;
	gptq_factor_release(&w->factor);
	h = calloc(x.cols * x.cols, sizeof(*h));
	if (!h)
		return err_set(E_NOMEM, "out of memory");
	gemm_tn(w->pool, h, x.cols, x.at, x.stride, x.cols, x.at, x.stride,
		x.cols, whole, 1);
	err = gptq_factor(&w->factor, h, x.cols, w->c->damp);
	w->input = name;
	free(h);
	return err;
}

static int quantise(struct work *w, struct watched *one, struct mat x)
{
	double loss, outputs;

	if (!one->gptq) {
		TRY(quant_int(&one->to, one->from, one->how, w->pool));
		return weight_bind(&one->weight, &one->to);
	}
	TRY(find_factor(w, x));
	TRY(gptq(&one->to, one->from, &w->factor, one->how, &loss, w->pool));
	TRY(weight_bind(&one->weight, &one->to));
	outputs = (double)x.rows * (double)one->weight.rows;
	return w->c->done ? w->c->done(w->c->ctx, one->from->name,
				       loss / outputs, w->factor.damp) : 0;
}

static void watch(const struct adapter *a, const struct adapt_pass *p,
		  struct mat x, struct gemm_output *y)
{
	struct watched *one = a->own;
	struct work *w = one->work;

	(void)p;
	if (!w->err)
		w->err = quantise(w, one, x);
	if (!w->err)
		y->term[0] = weight_term(&one->weight, x.at, x.stride,
					 GEMM_NT);
}

static const struct adapter_kind watcher = { .name = "watcher",
					     .forward = watch };

/* ---- the model ---- */

static int add_watcher(struct work *w, const struct program_module *m)
{
	struct watched *one = &w->watched[w->set.n];
	char name[TENSOR_NAME + 8];

	snprintf(name, sizeof(name), "%s.weight", m->name);
	if (m->role != ROLE_LINEAR)
		return 0;
	TRY(w->c->find(w->c->ctx, name, &one->how, &one->gptq));
	if (!one->how)
		return 0;
	one->work = w;
	one->from = tensor_set_find(w->base, name);
	if (!one->from || !tensor_is_plain(one->from))
		return err_set(E_DATA, "%s: it is quantised already; begin "
			       "with a base that is not", name);
	w->set.at[w->set.n] = (struct adapter){
		.kind = &watcher, .module = strdup(m->name),
		.out = m->weight->rows, .in = m->weight->cols, .own = one,
	};
	if (!w->set.at[w->set.n].module)
		return err_set(E_NOMEM, "out of memory");
	w->set.n++;
	return 0;
}

static int watch_all(struct work *w)
{
	const struct program_module *m;
	size_t n = program_modules(w->program, &m), group;

	w->watched = calloc(n + 1, sizeof(*w->watched));
	w->set.at = calloc(n + 1, sizeof(*w->set.at));
	if (!w->watched || !w->set.at)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		TRY(add_watcher(w, &m[i]));
	for (size_t i = 0; i < w->set.n; i++) /* before the work */
		TRY(quant_int_group(&group, w->watched[i].from,
				    w->watched[i].how));
	return program_adapt(w->program, &w->set);
}

/* ---- the tokens ---- */

static int check_tokens(const struct work *w, const uint32_t *id, size_t n)
{
	size_t vocab = program_vocab(w->program);

	for (size_t i = 0; i < n; i++)
		if (id[i] >= vocab)
			return err_set(E_DATA, "token %u, the vocabulary has "
				       "%zu", id[i], vocab);
	return 0;
}

static int fill(struct work *w, const struct samples *data)
{
	size_t length = size_min(w->c->length, program_longest(w->program));
	size_t left = w->c->tokens, n;
	size_t all = data->n ? data->start[data->n] : 0;

	TRY(feed_init(&w->feed, NULL, size_min(left, all),
		      size_min(left, data->n + all / length + 1)));
	feed_clear(&w->feed, NULL);
	for (size_t i = 0; i < data->n && left; i++)
		for (size_t at = data->start[i]; at < data->start[i + 1] &&
		     left; at += n, left -= n) {
			n = size_min(size_min(length, left),
				     data->start[i + 1] - at);
			TRY(check_tokens(w, data->id + at, n));
			feed_add(&w->feed, data->id + at, NULL, n, 0, 0);
		}
	return w->feed.batch.n ? 0 : err_set(E_DATA, "there is no token to "
					     "calibrate with");
}

static int run(struct work *w, const struct samples *data)
{
	struct program_need need = { .rows = 1 };

	TRY(program_open(&w->program, w->base, NULL));
	TRY(watch_all(w));
	TRY(fill(w, data));
	need.tokens = w->feed.batch.n;
	need.sequences = w->feed.batch.nseq;
	TRY(program_plan(w->program, w->pool, &need));
	program_forward(w->program, &w->feed.pass);
	return w->err;
}

int calibrate(struct tensor_set *base, const struct samples *data,
	      const struct calibrate *c, struct pool *pool)
{
	struct work w = { .c = c, .base = base, .pool = pool };
	int err = run(&w, data);

	program_free(w.program); /* it reads the tensors that go now */
	for (size_t i = 0; i < w.set.n; i++) {
		struct watched *one = &w.watched[i];

		if (err) {
			tensor_release(&one->to);
			continue;
		}
		tensor_release(one->from);
		tensor_move(one->from, &one->to);
	}
	adapter_set_release(&w.set);
	free(w.watched);
	feed_release(&w.feed);
	gptq_factor_release(&w.factor);
	return err;
}
