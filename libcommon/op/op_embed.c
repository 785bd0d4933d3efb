/*
 * y = s (rows of the table by token, and what an adapter adds); a virtual
 * token's row is its soft prompt's, as it is. Backward adds rows of dy to the
 * gradient of a table that is trained, of its adapter, or of the prompt.
 * Numbers: s (absent: 1), which rows of tokens alone are multiplied by.
 */
#include "kernel/table.h"
#include "op/op.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static int has_scale(const struct op_node *n)
{
	return !isnan(n->number[0]);
}

static int embed_shape(struct op_node *n)
{
	const struct adapter *a = n->module[0].adapter;

	if (!n->module[0].weight)
		return err_set(E_DATA, "embed: names no table");
	if (a && !a->kind->scatter)
		return err_set(E_CONFIG, "%s: %s cannot stand at an embedding",
			       a->module, a->kind->name);
	if (has_scale(n) && !isfinite((float)n->number[0]))
		return err_set(E_DATA, "embed: a scale of %g", n->number[0]);
	n->nout = 1;
	n->out_cols[0] = n->module[0].weight->cols;
	return 0;
}

static int embed_rewrites(const struct op_node *n)
{
	return has_scale(n);
}

static void forward_rows(const struct op_call *c, size_t first, size_t count)
{
	const struct weight *w = op_weight(&c->node->module[0]);
	const struct adapter *a = c->node->module[0].adapter;

	float s = (float)c->node->number[0], *y;

	for (size_t i = first; i < first + count; i++) {
		size_t id = c->run->batch->id[i];

		y = mat_row(c->out[0], i);
		if (virtual_is((uint32_t)id)) {
			memset(y, 0, w->cols * sizeof(*y));
			continue;
		}
		assert(id < w->rows); /* who makes batches sees to it */
		w->format->rows(w, y, id, 1);
		if (a && a->kind->gather)
			a->kind->gather(a, id, y);
		if (has_scale(c->node))
			kernels()->vscale(y, y, s, w->cols);
	}
}

static void embed_forward(const struct op_call *c)
{
	op_rows(c, forward_rows);
	op_front_put(c, op_front_embedding, c->out[0]);
}

/* The table's adapter sees no virtual token: they do not go together. */
static void embed_backward(const struct op_call *c)
{
	const struct adapter *a = c->node->module[0].adapter;
	float s = (float)c->node->number[0];

	op_front_take(c, op_front_embedding, c->dout[0], 0);
	if (!a)
		return;
	for (size_t i = 0; has_scale(c->node) && i < c->rows; i++)
		kernels()->vscale(mat_row(c->dout[0], i),
				  mat_row(c->dout[0], i), s, c->dout[0].cols);
	a->kind->scatter(a, c->run->batch->id, c->dout[0]);
}

const struct op op_embed = {
	.name = "embed",
	.nin = 0,
	.shape = embed_shape,
	.rewrites = embed_rewrites,
	.forward = embed_forward,
	.backward = embed_backward,
};
