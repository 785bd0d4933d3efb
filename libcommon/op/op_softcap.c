/* y = c tanh(x / c): kernel/softcap.h. Numbers: c. */
#include "kernel/table.h"
#include "op/op.h"

#include <math.h>

static int softcap_shape(struct op_node *n)
{
	if (!(n->number[0] > 0) || !isfinite((float)n->number[0]))
		return err_set(E_DATA, "softcap: wants a cap above 0");
	n->nout = 1;
	n->out_cols[0] = n->in_cols[0];
	return 0;
}

static unsigned softcap_reads(const struct op_node *n)
{
	(void)n;
	return OP_READS_OUT;
}

static void forward_rows(const struct op_call *c, size_t first, size_t count)
{
	float cap = (float)c->node->number[0];

	for (size_t i = first; i < first + count; i++)
		kernels()->softcap(mat_row(c->out[0], i), mat_row(c->in[0], i),
				   cap, c->out[0].cols);
}

static void softcap_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

static void backward_rows(const struct op_call *c, size_t first, size_t count)
{
	float cap = (float)c->node->number[0];

	for (size_t i = first; i < first + count; i++)
		kernels()->softcap_backward(mat_row(c->din[0], i), c->add[0],
					    mat_row(c->out[0], i),
					    mat_row(c->dout[0], i), cap,
					    c->out[0].cols);
}

static void softcap_backward(const struct op_call *c)
{
	op_rows(c, backward_rows);
}

const struct op op_softcap = {
	.name = "softcap",
	.nin = 1,
	.flags = OP_INPLACE | OP_INPLACE_GRAD,
	.shape = softcap_shape,
	.reads = softcap_reads,
	.forward = softcap_forward,
	.backward = softcap_backward,
};
