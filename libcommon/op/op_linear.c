/*
 * Products with one input: y_i = x W_i^T + b_i for each module i, x packed
 * once. Backward is one product with a term for each: dx = sum_i dy_i W_i.
 * What adapters add rides along as terms.
 */
#include "adapt/adapt_kind.h"
#include "op/op.h"

#include "base/size.h"

#include <string.h>

static int linear_shape(struct op_node *n)
{
	if (!n->nout)
		return err_set(E_DATA, "linear: names no weight");
	n->aux = 0;
	for (size_t i = 0; i < n->nout; i++) {
		const struct op_module *m = &n->module[i];

		if (m->weight->cols != n->in_cols[0])
			return err_set(E_DATA, "%s: a weight of %zu columns "
				       "for rows of %zu", m->name,
				       m->weight->cols, n->in_cols[0]);
		n->out_cols[i] = m->weight->rows;
		if (m->adapter)
			n->aux += m->adapter->keep;
	}
	return 0;
}

static unsigned linear_reads(const struct op_node *n)
{
	return op_trains(n) ? OP_READS_IN << 0 : 0;
}

static int linear_rewrites(const struct op_node *n)
{
	for (size_t i = 0; i < n->nout; i++)
		if (n->module[i].adapter && n->module[i].adapter->kind->before)
			return 1;
	return 0;
}

/* What x (rows, k) takes of gemm()'s space, as the modules use it. */
static size_t packed(const struct op_module *m, size_t n, size_t k)
{
	int uses[] = { [GEMM_F32] = 0, [GEMM_BF16] = 0 };

	for (size_t i = 0; i < n; i++) {
		uses[op_weight(&m[i])->compute] = 1;
		uses[GEMM_F32] |= m[i].adapter != NULL;
	}
	return (uses[GEMM_F32] ? gemm_columns(k, GEMM_F32) : 0) +
	       (uses[GEMM_BF16] ? gemm_columns(k, GEMM_BF16) : 0);
}

static size_t linear_space(const struct op_node *n, const struct pool *pool,
			   size_t rows, int train)
{
	size_t out = 0, ksum = packed(n->module, n->nout, n->in_cols[0]);

	for (size_t i = 0; i < n->nout; i++)
		out += packed(&n->module[i], 1, n->out_cols[i]);
	if (train)
		ksum = size_max(ksum, out);
	return gemm_space(pool, rows, ksum + n->aux,
			  n->aux || n->nout > 1 ? 2 : 1);
}

/* Module i's share of what a pass reads and keeps. */
static struct adapt_pass pass_of(const struct op_call *c, size_t i)
{
	const struct op_module *m = c->node->module;
	size_t col = 0;

	for (size_t k = 0; k < i; k++)
		col += m[k].adapter ? m[k].adapter->keep : 0;
	return (struct adapt_pass){
		.pool = c->run->pool,
		.space = c->run->space,
		.batch = c->run->train ? c->run->batch : NULL,
		.step = c->run->step,
		.keep = mat_cols(c->aux, col, m[i].adapter->keep),
		.scratch = mat_of(c->run->scratch, c->rows,
				  adapter_scratch(m[i].adapter)),
	};
}

/* The base's, or the one that is trained in its place; NULL: there is none. */
static const float *bias_of(const struct op_module *m)
{
	const struct adapter_param *trained = adapter_bias(m->adapter);

	return trained ? trained->at : m->bias;
}

static void bias_rows(const struct op_call *c, size_t first, size_t count)
{
	const struct op_node *n = c->node;

	for (size_t k = 0; k < n->nout; k++) {
		const float *bias = bias_of(&n->module[k]);

		for (size_t i = first; bias && i < first + count; i++)
			memcpy(mat_row(c->out[k], i), bias,
			       n->out_cols[k] * sizeof(float));
	}
}

/* Does the bias come before the product, for it to be added to? */
static int bias_first(const struct op_module *m)
{
	return bias_of(m) && !(m->adapter && m->adapter->kind->after);
}

static void bias_after(const struct op_call *c, size_t k)
{
	const float *bias = bias_of(&c->node->module[k]);

	for (size_t i = 0; i < c->rows; i++)
		for (size_t j = 0; j < c->out[k].cols; j++)
			mat_row(c->out[k], i)[j] += bias[j];
}

/* Outputs of a product: some, and the early ones that adapters add. */
struct outputs {
	struct gemm_output at[2 * OP_OUT];
	size_t n;
};

/* Room for an early output, which is there if it gets columns. */
static struct gemm_output *early_of(struct outputs *o)
{
	o->at[o->n] = (struct gemm_output){ 0 };
	return &o->at[o->n];
}

static void early_done(struct outputs *o)
{
	o->n += o->at[o->n].n > 0;
}

static void linear_forward(const struct op_call *c)
{
	const struct op_node *n = c->node;
	struct outputs out = { .n = n->nout };
	struct mat x = c->in[0];

	op_rows(c, bias_rows);
	for (size_t i = 0; i < n->nout; i++) {
		const struct op_module *m = &n->module[i];
		struct gemm_output *o = &out.at[i];

		*o = (struct gemm_output){
			.y = c->out[i].at, .stride = c->out[i].stride,
			.n = c->out[i].cols, .add = bias_first(m), .nterm = 1,
		};
		o->term[0] = weight_term(op_weight(m), x.at, x.stride,
					 GEMM_NT);
		if (m->adapter && m->adapter->kind->forward) {
			struct adapt_pass p = pass_of(c, i);

			p.early = early_of(&out);
			m->adapter->kind->forward(m->adapter, &p, x, o);
			early_done(&out);
		}
	}
	gemm(c->run->pool, c->run->space, c->rows, out.at, out.n);
	for (size_t i = 0; i < n->nout; i++) {
		const struct op_module *m = &n->module[i];

		if (m->adapter && m->adapter->kind->after) {
			struct adapt_pass p = pass_of(c, i);

			m->adapter->kind->after(m->adapter, &p, m->weight,
						c->out[i], x);
			if (bias_of(m))
				bias_after(c, i);
		}
	}
}

/* The first of out is dx, if it is wanted. */
static void adapter_backward(const struct op_call *c, size_t i,
			     struct outputs *out)
{
	const struct op_module *m = &c->node->module[i];
	const struct adapter_kind *kind = m->adapter->kind;
	struct adapt_pass p = pass_of(c, i);

	adapter_bias_gradient(m->adapter, &p, c->dout[i]);
	if (!kind->backward)
		return;
	if (kind->before)
		kind->before(m->adapter, &p, m->weight, c->dout[i], c->in[0]);
	p.early = out->n ? early_of(out) : NULL;
	kind->backward(m->adapter, &p, c->dout[i], c->in[0],
		       out->n ? out->at : NULL);
	if (out->n)
		early_done(out);
}

static void finish(const struct op_call *c, size_t i)
{
	const struct adapter *a = c->node->module[i].adapter;
	struct adapt_pass p;
	struct gemm_output early; /* says that there was one */

	if (!a || !a->kind->finish)
		return;
	p = pass_of(c, i);
	p.early = &early;
	a->kind->finish(a, &p, c->dout[i], c->in[0], c->din[0]);
}

static void linear_backward(const struct op_call *c)
{
	const struct op_node *n = c->node;
	struct mat dx = c->din[0];
	struct outputs out = { .n = dx.at != NULL };
	struct gemm_output *o = out.at;

	*o = (struct gemm_output){ .y = dx.at, .stride = dx.stride,
				   .n = dx.cols, .add = c->add[0] };
	for (size_t i = 0; i < n->nout; i++) {
		if (n->module[i].adapter)
			adapter_backward(c, i, &out);
		if (dx.at)
			o->term[o->nterm++] = weight_term(
				op_weight(&n->module[i]), c->dout[i].at,
				c->dout[i].stride, GEMM_NN);
	}
	if (!dx.at)
		return;
	gemm(c->run->pool, c->run->space, c->rows, out.at, out.n);
	for (size_t i = 0; i < n->nout; i++)
		finish(c, i);
}

const struct op op_linear = {
	.name = "linear",
	.nin = 1,
	.shape = linear_shape,
	.reads = linear_reads,
	.rewrites = linear_rewrites,
	.space = linear_space,
	.forward = linear_forward,
	.backward = linear_backward,
};
