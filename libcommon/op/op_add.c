/* y = a + b; da = dy, db = dy */
#include "op/op.h"

#include <string.h>

static int add_shape(struct op_node *n)
{
	if (n->in_cols[0] != n->in_cols[1])
		return err_set(E_DATA, "add: %zu and %zu columns",
			       n->in_cols[0], n->in_cols[1]);
	n->nout = 1;
	n->out_cols[0] = n->in_cols[0];
	return 0;
}

static void forward_rows(const struct op_call *c, size_t first, size_t count)
{
	size_t cols = c->out[0].cols;

	for (size_t i = first; i < first + count; i++) {
		const float *a = mat_row(c->in[0], i);
		const float *b = mat_row(c->in[1], i);
		float *y = mat_row(c->out[0], i);

		for (size_t j = 0; j < cols; j++)
			y[j] = a[j] + b[j];
	}
}

static void add_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

static void backward_rows(const struct op_call *c, size_t first, size_t count)
{
	for (size_t k = 0; k < 2; k++) {
		if (!c->din[k].at || c->din[k].at == c->dout[0].at)
			continue;
		for (size_t i = first; i < first + count; i++) {
			const float *dy = mat_row(c->dout[0], i);
			float *dx = mat_row(c->din[k], i);

			if (!c->add[k])
				memcpy(dx, dy, c->din[k].cols * sizeof(*dx));
			else
				for (size_t j = 0; j < c->din[k].cols; j++)
					dx[j] += dy[j];
		}
	}
}

static void add_backward(const struct op_call *c)
{
	op_rows(c, backward_rows);
}

const struct op op_add = {
	.name = "add",
	.nin = 2,
	.flags = OP_INPLACE | OP_SHARES,
	.shape = add_shape,
	.forward = add_forward,
	.backward = add_backward,
};
