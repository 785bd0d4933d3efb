/* y = silu(g) u: kernel/gate.h */
#include "kernel/gate.h"
#include "kernel/table.h"
#include "op/op.h"

static int swiglu_shape(struct op_node *n)
{
	if (n->in_cols[0] != n->in_cols[1])
		return err_set(E_DATA, "swiglu: %zu and %zu columns",
			       n->in_cols[0], n->in_cols[1]);
	n->nout = 1;
	n->out_cols[0] = n->in_cols[0];
	return 0;
}

static unsigned swiglu_reads(const struct op_node *n)
{
	(void)n;
	return OP_READS_IN << 0 | OP_READS_IN << 1;
}

static void forward_rows(const struct op_call *c, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		kernels()->silu_gate(mat_row(c->out[0], i),
				     mat_row(c->in[0], i),
				     mat_row(c->in[1], i), c->out[0].cols);
}

static void swiglu_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

static void backward_rows(const struct op_call *c, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		kernels()->silu_gate_backward(mat_row(c->din[0], i),
					      mat_row(c->din[1], i),
					      mat_row(c->dout[0], i),
					      mat_row(c->in[0], i),
					      mat_row(c->in[1], i),
					      c->dout[0].cols);
}

static void swiglu_backward(const struct op_call *c)
{
	op_rows(c, backward_rows);
}

const struct op op_swiglu = {
	.name = "swiglu",
	.nin = 2,
	.flags = OP_CHEAP | OP_INPLACE | OP_INPLACE_GRAD | OP_OWNS,
	.shape = swiglu_shape,
	.reads = swiglu_reads,
	.forward = swiglu_forward,
	.backward = swiglu_backward,
};
