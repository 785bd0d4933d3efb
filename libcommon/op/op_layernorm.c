/*
 * y = (x - mean(x)) / sd(x) * gain + bias: kernel/norm.h
 *
 * A gain shorter than the row is one for each head, as in op_rmsnorm.c; a
 * bias is there when its tensor is, and may be trained. Numbers: eps.
 */
#include "adapt/adapt_kind.h"
#include "kernel/norm.h"

#include "kernel/table.h"
#include "op/op.h"

static int layernorm_shape(struct op_node *n)
{
	if (!n->gain || n->in_cols[0] % n->ngain)
		return err_set(E_DATA, "layernorm: a gain of %zu for rows of "
			       "%zu", n->ngain, n->in_cols[0]);
	if (!(n->number[0] > 0))
		return err_set(E_DATA, "layernorm: wants an eps above 0");
	n->nout = 1;
	n->out_cols[0] = n->in_cols[0];
	n->aux = 2 * (n->in_cols[0] / n->ngain);
	return 0;
}

static unsigned layernorm_reads(const struct op_node *n)
{
	(void)n;
	return OP_READS_IN << 0;
}

static const float *shift_of(const struct op_node *n)
{
	const struct adapter_param *trained = adapter_bias(
						n->module[0].adapter);

	return trained ? trained->at : n->shift;
}

static void forward_rows(const struct op_call *c, size_t first, size_t count)
{
	const struct op_node *n = c->node;
	size_t d = n->ngain, heads = n->aux / 2;

	for (size_t i = first; i < first + count; i++)
		kernels()->layernorm(mat_row(c->out[0], i), d,
				     mat_row(c->aux, i), mat_row(c->in[0], i),
				     d, n->gain, shift_of(n),
				     (float)n->number[0], heads, d);
}

static void layernorm_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

static void backward_rows(const struct op_call *c, size_t first, size_t count)
{
	const struct op_node *n = c->node;
	size_t d = n->ngain, heads = n->aux / 2;

	for (size_t i = first; i < first + count; i++)
		kernels()->layernorm_backward(mat_row(c->din[0], i), d,
					      c->add[0], NULL, NULL,
					      mat_row(c->dout[0], i), d,
					      mat_row(c->in[0], i), d,
					      n->gain, mat_row(c->aux, i),
					      heads, d);
}

static void layernorm_backward(const struct op_call *c)
{
	const struct adapt_pass p = {
		.pool = c->run->pool,
		.batch = c->run->train ? c->run->batch : NULL,
	};

	if (c->node->module[0].adapter)
		adapter_bias_gradient(c->node->module[0].adapter, &p,
				      c->dout[0]);
	if (c->din[0].at)
		op_rows(c, backward_rows);
}

const struct op op_layernorm = {
	.name = "layernorm",
	.nin = 1,
	.flags = OP_CHEAP | OP_INPLACE | OP_INPLACE_GRAD,
	.shape = layernorm_shape,
	.reads = layernorm_reads,
	.forward = layernorm_forward,
	.backward = layernorm_backward,
};
