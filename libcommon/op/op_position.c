/* y = rows of a table by position, learned ones; backward adds rows of dy to
 * the gradient of a table that is trained whole. */
#include "op/op.h"

#include <assert.h>

static int position_shape(struct op_node *n)
{
	const struct adapter *a = n->module[0].adapter;

	if (!n->module[0].weight)
		return err_set(E_DATA, "position: names no table");
	if (a && !a->kind->scatter)
		return err_set(E_CONFIG, "%s: %s cannot stand at an embedding",
			       a->module, a->kind->name);
	n->nout = 1;
	n->out_cols[0] = n->module[0].weight->cols;
	return 0;
}

static void forward_rows(const struct op_call *c, size_t first, size_t count)
{
	const struct weight *w = op_weight(&c->node->module[0]);

	for (size_t i = first; i < first + count; i++) {
		size_t pos = c->run->pos[i];

		assert(pos < w->rows); /* program_longest() */
		w->format->rows(w, mat_row(c->out[0], i), pos, 1);
	}
}

static void position_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

static void position_backward(const struct op_call *c)
{
	const struct adapter *a = c->node->module[0].adapter;

	a->kind->scatter(a, c->run->pos, c->dout[0]);
}

const struct op op_position = {
	.name = "position",
	.nin = 0,
	.shape = position_shape,
	.forward = position_forward,
	.backward = position_backward,
};
