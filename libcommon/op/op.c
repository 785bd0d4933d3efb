#include "op/op.h"

#include "adapt/adapt_kind.h"
#include "base/size.h"

#include <string.h>

enum { ROWS = 16 };     /* that a task takes */

static const struct op *const table[] = {
	&op_add, &op_attend, &op_embed, &op_geglu, &op_geglu_tanh, &op_gelu,
	&op_gelu_tanh, &op_layernorm, &op_linear, &op_position, &op_rmsnorm,
	&op_rope, &op_rope_pairs, &op_scale, &op_silu, &op_softcap, &op_split,
	&op_swiglu,
};

const struct op *op_find(const char *name)
{
	for (size_t i = 0; i < NELEM(table); i++)
		if (!strcmp(table[i]->name, name))
			return table[i];
	return NULL;
}

const struct op *op_at(size_t i)
{
	return i < NELEM(table) ? table[i] : NULL;
}

/* A soft prompt is trained wherever it is read; below the embedding there is
 * nothing, so all are above something that is. */
int op_trains(const struct op_node *n)
{
	if (n->op == &op_embed && n->nfront)
		return 1;
	for (size_t i = 0; i < OP_OUT; i++)
		if (n->module[i].adapter)
			return 1;
	return 0;
}

size_t op_scratch(const struct op_node *n)
{
	size_t most = 0;

	for (size_t i = 0; i < OP_OUT; i++)
		if (n->module[i].adapter)
			most = size_max(most, adapter_scratch(
						n->module[i].adapter));
	return most;
}

const struct weight *op_weight(const struct op_module *m)
{
	const struct adapter *a = m->adapter;

	return a && a->kind->weight ? a->kind->weight(a) : m->weight;
}

struct rows_job {
	const struct op_call *call;
	op_rows_fn *fn;
};

static void rows_task(void *ctx, size_t task, size_t lane)
{
	const struct rows_job *job = ctx;
	size_t first = task * ROWS;

	(void)lane;
	job->fn(job->call, first, size_min(job->call->rows - first, ROWS));
}

void op_rows(const struct op_call *c, op_rows_fn *fn)
{
	struct rows_job job = { c, fn };

	for (size_t i = 0; i < OP_OUT; i++) /* not by several threads at once */
		(void)op_weight(&c->node->module[i]);
	pool_run(c->run->pool, size_ceil(c->rows, ROWS), rows_task, &job);
}
