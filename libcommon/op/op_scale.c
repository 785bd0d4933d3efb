/* y = s x; dx = s dy. Numbers: s. */
#include "kernel/table.h"
#include "op/op.h"

#include <math.h>

static int scale_shape(struct op_node *n)
{
	if (!isfinite(n->number[0]) || !isfinite((float)n->number[0]))
		return err_set(E_DATA, "scale: wants a number");
	n->nout = 1;
	n->out_cols[0] = n->in_cols[0];
	return 0;
}

static void forward_rows(const struct op_call *c, size_t first, size_t count)
{
	float s = (float)c->node->number[0];

	for (size_t i = first; i < first + count; i++)
		kernels()->vscale(mat_row(c->out[0], i), mat_row(c->in[0], i),
				  s, c->out[0].cols);
}

static void scale_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

static void backward_rows(const struct op_call *c, size_t first, size_t count)
{
	float s = (float)c->node->number[0];

	for (size_t i = first; i < first + count; i++) {
		float *dx = mat_row(c->din[0], i);
		const float *dy = mat_row(c->dout[0], i);

		if (c->add[0])
			kernels()->vaxpy(dx, s, dy, c->din[0].cols);
		else
			kernels()->vscale(dx, dy, s, c->din[0].cols);
	}
}

static void scale_backward(const struct op_call *c)
{
	op_rows(c, backward_rows);
}

const struct op op_scale = {
	.name = "scale",
	.nin = 1,
	.flags = OP_INPLACE | OP_INPLACE_GRAD,
	.shape = scale_shape,
	.forward = scale_forward,
	.backward = scale_backward,
};
