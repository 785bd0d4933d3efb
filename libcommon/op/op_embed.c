/* y = rows of the table by token; backward adds rows of dy to the gradient of
 * a table that is trained whole. */
#include "op/op.h"

#include "base/size.h"

#include <assert.h>

enum { COLS = 64 };     /* that a task of backward takes */

static int embed_shape(struct op_node *n)
{
	const struct adapter *a = n->module[0].adapter;

	if (!n->module[0].weight)
		return err_set(E_DATA, "embed: names no table");
	if (a && !a->kind->weight)
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
		size_t id = c->run->batch->id[i];

		assert(id < w->rows);
		w->format->rows(w, mat_row(c->out[0], i), id, 1);
	}
}

static void embed_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
}

/* A task is columns, so that a row met twice is added to in order. */
static void backward_cols(void *ctx, size_t task, size_t lane)
{
	const struct op_call *c = ctx;
	const struct adapter *a = c->node->module[0].adapter;
	size_t first = task * COLS;
	size_t last = size_min(first + COLS, c->dout[0].cols);

	(void)lane;
	for (size_t i = 0; i < c->rows; i++) {
		float *g = a->param[0].grad + c->run->batch->id[i] * a->in;
		const float *dy = mat_row(c->dout[0], i);

		for (size_t j = first; j < last; j++)
			g[j] += dy[j];
	}
}

static void embed_backward(const struct op_call *c)
{
	struct op_call call = *c;

	pool_run(c->run->pool, size_ceil(c->dout[0].cols, COLS), backward_cols,
		 &call);
}

const struct op op_embed = {
	.name = "embed",
	.nin = 0,
	.shape = embed_shape,
	.forward = embed_forward,
	.backward = embed_backward,
};
