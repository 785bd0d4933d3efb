/*
 * y = x / rms(x) * gain: kernel/norm.h
 *
 * A gain shorter than the row is one for each head: the row is cut into as
 * many, each with its own mean (q and k of Qwen3). Numbers: eps.
 */
#include "kernel/norm.h"

#include "kernel/table.h"
#include "op/op.h"

static int rmsnorm_shape(struct op_node *n)
{
	if (!n->gain || n->in_cols[0] % n->ngain)
		return err_set(E_DATA, "rmsnorm: a gain of %zu for rows of "
			       "%zu", n->ngain, n->in_cols[0]);
	if (n->shift)
		return err_set(E_DATA, "rmsnorm: has no use for a bias");
	if (!(n->number[0] > 0))
		return err_set(E_DATA, "rmsnorm: wants an eps above 0");
	n->nout = 1;
	n->out_cols[0] = n->in_cols[0];
	n->aux = n->in_cols[0] / n->ngain;
	return 0;
}

static unsigned rmsnorm_reads(const struct op_node *n)
{
	(void)n;
	return OP_READS_IN << 0;
}

static void forward_rows(const struct op_call *c, size_t first, size_t count)
{
	const struct op_node *n = c->node;
	size_t d = n->ngain, heads = n->aux;

	for (size_t i = first; i < first + count; i++)
		kernels()->rmsnorm(mat_row(c->out[0], i), d,
				   mat_row(c->aux, i), mat_row(c->in[0], i),
				   d, n->gain, (float)n->number[0], heads, d);
}

static void rmsnorm_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

static void backward_rows(const struct op_call *c, size_t first, size_t count)
{
	const struct op_node *n = c->node;
	size_t d = n->ngain, heads = n->aux;

	for (size_t i = first; i < first + count; i++)
		kernels()->rmsnorm_backward(mat_row(c->din[0], i), d,
					    c->add[0], NULL,
					    mat_row(c->dout[0], i), d,
					    mat_row(c->in[0], i), d, n->gain,
					    mat_row(c->aux, i), heads, d);
}

static void rmsnorm_backward(const struct op_call *c)
{
	op_rows(c, backward_rows);
}

const struct op op_rmsnorm = {
	.name = "rmsnorm",
	.nin = 1,
	.flags = OP_CHEAP | OP_INPLACE | OP_INPLACE_GRAD,
	.shape = rmsnorm_shape,
	.reads = rmsnorm_reads,
	.forward = rmsnorm_forward,
	.backward = rmsnorm_backward,
};
