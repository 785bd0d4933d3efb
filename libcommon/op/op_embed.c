/* y = rows of the table by token, and what an adapter adds; backward adds rows
 * of dy to the gradient of a table that is trained, or of its adapter. */
#include "op/op.h"

#include <assert.h>

static int embed_shape(struct op_node *n)
{
	const struct adapter *a = n->module[0].adapter;

	if (!n->module[0].weight)
		return err_set(E_DATA, "embed: names no table");
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
	const struct adapter *a = c->node->module[0].adapter;

	for (size_t i = first; i < first + count; i++) {
		size_t id = c->run->batch->id[i];

		assert(id < w->rows); /* who makes batches sees to it */
		w->format->rows(w, mat_row(c->out[0], i), id, 1);
		if (a && a->kind->gather)
			a->kind->gather(a, id, mat_row(c->out[0], i));
	}
}

static void embed_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

static void embed_backward(const struct op_call *c)
{
	const struct adapter *a = c->node->module[0].adapter;

	a->kind->scatter(a, c->run->batch->id, c->dout[0]);
}

const struct op op_embed = {
	.name = "embed",
	.nin = 0,
	.shape = embed_shape,
	.forward = embed_forward,
	.backward = embed_backward,
};
