/* Rotary positions, of halves and of pairs: kernel/rope.h. Numbers: head_dim,
 * and a group's table. */
#include "kernel/rope.h"

#include "kernel/table.h"
#include "op/op.h"

#include <math.h>
#include <string.h>

static int rope_shape(struct op_node *n)
{
	double d = n->number[0];

	if (!(d >= 2) || d != floor(d / 2) * 2 || d > 65536 ||
	    n->in_cols[0] % (size_t)d)
		return err_set(E_DATA, "rope: heads of %g in rows of %zu", d,
			       n->in_cols[0]);
	if (n->table == SIZE_MAX)
		return err_set(E_DATA, "rope: names no angles");
	n->nout = 1;
	n->out_cols[0] = n->in_cols[0];
	return 0;
}

static int rope_rewrites(const struct op_node *n)
{
	(void)n;
	return 1;
}

static void turn(const struct op_call *c, struct mat x, size_t first,
		 size_t count, int inverse)
{
	const struct op_rope_table *t = &c->run->table[c->node->table];
	size_t dim = (size_t)c->node->number[0];
	struct rope r = { t->cos, t->sin, t->half, x.cols / dim, dim };
	rope_fn *fn = c->node->op == &op_rope ? kernels()->rope : rope_pairs;

	fn(&r, mat_row(x, first), x.stride, c->run->pos + first, count,
	   inverse);
}

static void copy(struct mat to, struct mat from, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++)
		if (to.at != from.at)
			memcpy(mat_row(to, i), mat_row(from, i),
			       to.cols * sizeof(*to.at));
}

static void forward_rows(const struct op_call *c, size_t first, size_t count)
{
	copy(c->out[0], c->in[0], first, count);
	turn(c, c->out[0], first, count, 0);
}

static void rope_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

static void backward_rows(const struct op_call *c, size_t first, size_t count)
{
	turn(c, c->dout[0], first, count, 1);
	if (!c->add[0]) {
		copy(c->din[0], c->dout[0], first, count);
		return;
	}
	for (size_t i = first; i < first + count; i++)
		for (size_t j = 0; j < c->din[0].cols; j++)
			mat_row(c->din[0], i)[j] += mat_row(c->dout[0], i)[j];
}

static void rope_backward(const struct op_call *c)
{
	op_rows(c, backward_rows);
}

const struct op op_rope = {
	.name = "rope",
	.nin = 1,
	.flags = OP_INPLACE | OP_INPLACE_GRAD,
	.shape = rope_shape,
	.rewrites = rope_rewrites,
	.forward = rope_forward,
	.backward = rope_backward,
};

const struct op op_rope_pairs = {
	.name = "rope_pairs",
	.nin = 1,
	.flags = OP_INPLACE | OP_INPLACE_GRAD,
	.shape = rope_shape,
	.rewrites = rope_rewrites,
	.forward = rope_forward,
	.backward = rope_backward,
};
