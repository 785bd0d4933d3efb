#include "op/op.h"

#include <string.h>

op_front_fn *op_front_embedding(const struct adapter_front *f)
{
	return f->embedding;
}

op_front_fn *op_front_keys(const struct adapter_front *f)
{
	return f->keys;
}

op_front_fn *op_front_values(const struct adapter_front *f)
{
	return f->values;
}

/* The view's row of batch row i; NULL: it is no virtual token, or has none. */
static float *row_of(const struct op_call *c, op_front_view *view, size_t i,
		     int grad)
{
	const struct op_node *n = c->node;
	uint32_t id = c->run->batch->id[i];
	const struct adapter *a;
	struct mat at;

	if (!virtual_is(id))
		return NULL;
	a = n->front[virtual_prompt(id)];
	at = view(a->kind->front)(a, n->cache, grad);
	return at.at ? mat_row(at, virtual_row(id)) : NULL;
}

void op_front_put(const struct op_call *c, op_front_view *view, struct mat m)
{
	for (size_t i = 0; c->node->nfront && i < m.rows; i++) {
		const float *from = row_of(c, view, i, 0);

		if (from)
			memcpy(mat_row(m, i), from, m.cols * sizeof(*from));
	}
}

void op_front_take(const struct op_call *c, op_front_view *view, struct mat m,
		   int clear)
{
	for (size_t i = 0; c->node->nfront && i < m.rows; i++) {
		float *to = row_of(c, view, i, 1);
		float *from = mat_row(m, i);

		for (size_t k = 0; to && k < m.cols; k++)
			to[k] += from[k];
		if (to && clear)
			memset(from, 0, m.cols * sizeof(*from));
	}
}
