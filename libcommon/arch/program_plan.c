#include "arch/program_parts.h"
#include "base/size.h"

#include <stdlib.h>

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	free(plan->call);
	free(plan->piece);
	free(plan->state);
	free(plan->visit);
	free(plan->carry);
	free(plan->slot_cols);
	free(plan);
}

/* ---- work space ---- */

static void space_of(struct plan *plan, const struct op_node *n,
		     const struct pool *pool, size_t rows)
{
	const struct op *op = n->op;

	if (op->space)
		plan->space = size_max(plan->space,
				       op->space(n, pool, rows,
						 plan->need.train));
	if (plan->need.train)
		plan->scratch = size_max(plan->scratch, op_scratch(n) * rows *
							sizeof(float));
}

static void work_space(struct plan *plan, const struct program *p,
		       const struct pool *pool)
{
	size_t tokens = plan->need.tokens;

	for (size_t i = 0; i < p->nnode; i++)
		space_of(plan, &p->node[i].op, pool, tokens);
	if (plan->need.rows)
		space_of(plan, &p->head.op, pool, plan->need.rows);
	plan->tables = angles_bytes(p, tokens);
	plan->ints = tokens * sizeof(uint32_t);
	plan->past = plan->need.sequences * sizeof(struct attention_past);
}

static int too_large(const struct plan *plan)
{
	return err_set(E_NOMEM, "a batch of %zu tokens does not fit any "
		       "memory", plan->need.tokens);
}

static int too_many(const struct program_need *need)
{
	const size_t most = (size_t)1 << 27;

	return need->tokens > most || need->rows > most ||
	       need->sequences > most;
}

static int plan_fill(struct plan *plan, const struct program *p,
		     const struct pool *pool)
{
	if (too_many(&plan->need))
		return too_large(plan);
	TRY(plan_walk(plan, p));
	if (plan->need.visits)
		TRY(plan_visits(plan, p));
	if (plan_place(plan, p, &plan->activations))
		return too_large(plan);
	work_space(plan, p, pool);
	return 0;
}

int plan_new(struct plan **to, const struct program *p,
	     const struct pool *pool, const struct program_need *need)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	int err;

	*to = NULL;
	if (!plan)
		return err_set(E_NOMEM, "out of memory");
	plan->need = *need;
	plan->dlast = NONE;
	err = plan_fill(plan, p, pool);
	if (err)
		plan_free(plan);
	else
		*to = plan;
	return err;
}
