/* program_front - the soft prompts of a program */
#include "arch/program_parts.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

/* Columns of all layers' keys; 0: they differ. */
static size_t keys_of(const struct program *p)
{
	size_t keys = 0;

	for (size_t i = 0; i < p->nnode; i++) {
		const struct op_node *n = &p->node[i].op;

		if (n->op != &op_attend)
			continue;
		if (keys && keys != n->in_cols[1])
			return 0;
		keys = n->in_cols[1];
	}
	return keys;
}

static int check(const struct program *p, const struct adapter *const *at,
		 size_t n)
{
	const struct adapter_model m = { p->hidden, p->ncache, keys_of(p) };

	if (n > VIRTUAL_PROMPTS)
		return err_set(E_CONFIG, "%zu soft prompts, at most %d", n,
			       VIRTUAL_PROMPTS);
	for (size_t i = 0; i < n; i++) {
		if (!at[i]->kind->front)
			return err_set(E_CONFIG, "an adapter of the kind %s "
				       "is no soft prompt",
				       at[i]->kind->name);
		TRY(at[i]->kind->front->check(at[i], &m));
	}
	return 0;
}

int program_prompts(struct program *p, const struct adapter *const *at,
		    size_t n)
{
	const struct adapter **copy = NULL;

	TRY(check(p, at, n));
	if (n) {
		copy = calloc(n, sizeof(*copy));
		if (!copy)
			return err_set(E_NOMEM, "out of memory");
		memcpy(copy, at, n * sizeof(*copy));
	}
	free(p->prompt);
	p->prompt = copy;
	p->nprompt = n;
	for (size_t i = 0; i < p->nnode; i++) {
		struct op_node *node = &p->node[i].op;

		if (node->op != &op_embed && node->op != &op_attend)
			continue;
		node->front = copy;
		node->nfront = n;
	}
	return 0;
}

size_t program_nprompt(const struct program *p)
{
	return p->nprompt;
}

size_t program_front(const struct program *p, size_t i)
{
	return i < p->nprompt ? p->prompt[i]->param[0].rows : 0;
}

size_t program_front_most(const struct program *p)
{
	size_t most = 0;

	for (size_t i = 0; i < p->nprompt; i++)
		most = size_max(most, program_front(p, i));
	return most;
}

int program_predicts(const struct program *p, size_t i)
{
	return i < p->nprompt && p->prompt[i]->kind->front->predicts;
}
