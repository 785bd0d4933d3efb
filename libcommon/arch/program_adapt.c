/* program_adapt - adapters at a program's modules */
#include "arch/program.h"

#include "arch/program_parts.h"

#include <string.h>

/* An adapter may stand at all uses of the tensor that it is for. */
static struct adapter *adapter_of(const struct adapter_set *s,
				  const struct op_module *m, size_t *used)
{
	struct adapter *a = s ? adapter_set_find(s, m->name) : NULL;

	*used += a != NULL;
	if (a || !s || !m->tied)
		return a;
	a = adapter_set_find(s, m->tied);
	return a && a->kind->follows ? a : NULL;
}

/* A norm's bias can be trained, and nothing else of it. */
static int check_norm(const struct op_node *n, const struct adapter *a)
{
	const struct adapter_param *bias = adapter_bias(a);

	if (!a || (bias && a->nparam == 1 && bias->cols == n->ngain &&
		   n->op == &op_layernorm))
		return 0;
	return err_set(E_CONFIG, "%s: this adapter cannot stand at a norm",
		       a->module);
}

static int adapt_node(struct node *n, const struct adapter_set *s,
		      size_t *used)
{
	for (size_t i = 0; i < OP_OUT; i++) {
		struct op_module *m = &n->op.module[i];

		if (!m->name)
			continue;
		m->adapter = adapter_of(s, m, used);
		if (!m->weight) { /* a norm */
			TRY(check_norm(&n->op, m->adapter));
			continue;
		}
		if (m->adapter && (m->adapter->out != m->weight->rows ||
				   m->adapter->in != m->weight->cols))
			return err_set(E_CONFIG, "%s: an adapter of %zu x "
				       "%zu for a weight of %zu x %zu",
				       m->name, m->adapter->out,
				       m->adapter->in, m->weight->rows,
				       m->weight->cols);
	}
	return n->op.op->shape(&n->op);
}

static int not_there(const struct program *p, const struct adapter_set *s)
{
	for (size_t i = 0; i < s->n; i++) {
		size_t k = 0;

		while (k < p->nmodule &&
		       strcmp(p->module[k].name, s->at[i].module))
			k++;
		if (k == p->nmodule)
			return err_set(E_CONFIG, "the model has no module %s",
				       s->at[i].module);
	}
	return err_set(E_CONFIG, "two adapters stand at one module");
}

int program_adapt(struct program *p, const struct adapter_set *s)
{
	const struct adapter *a = s ? adapter_set_front(s) : NULL;
	size_t used = a != NULL;

	TRY(program_prompts(p, &a, a != NULL));
	for (size_t i = 0; i < p->nnode; i++)
		TRY(adapt_node(&p->node[i], s, &used));
	TRY(adapt_node(&p->head, s, &used));
	a = p->head.op.module[0].adapter;
	if (a && a->dropout > 0)
		return err_set(E_CONFIG, "%s: there is no dropout at the head",
			       a->module);
	if (s && used != s->n)
		return not_there(p, s);
	/* What is away is not read: see program_refresh_segment(). */
	return p->base->lend ? 0 : program_refresh(p, NULL);
}

static int refresh_node(struct node *n, struct pool *pool)
{
	for (size_t i = 0; i < OP_OUT; i++) {
		const struct op_module *m = &n->op.module[i];

		if (m->name && m->adapter && m->adapter->kind->refresh)
			TRY(m->adapter->kind->refresh(m->adapter, m->weight,
						      pool));
	}
	return 0;
}

int program_refresh_segment(struct program *p, size_t segment,
			    struct pool *pool)
{
	for (size_t i = 0; i < p->nnode; i++)
		if (program_segment_of(p, &p->node[i]) == segment)
			TRY(refresh_node(&p->node[i], pool));
	return segment + 1 == program_segments(p) ?
		       refresh_node(&p->head, pool) : 0;
}

int program_refresh(struct program *p, struct pool *pool)
{
	for (size_t i = 0; i < p->nnode; i++)
		TRY(refresh_node(&p->node[i], pool));
	return refresh_node(&p->head, pool);
}
