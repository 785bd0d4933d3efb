#include "arch/program.h"

#include "arch/program_parts.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

/* ---- making one ---- */

static int sizes(struct program *p)
{
	TRY(family_size(&p->layers, p->c, "layers"));
	TRY(family_size(&p->hidden, p->c, "hidden"));
	TRY(family_size(&p->vocab, p->c, "vocab"));
	if (p->layers > FAMILY_LAYERS)
		return err_set(E_DATA, "config.json: %zu layers, and at most "
			       "%d are supported", p->layers, FAMILY_LAYERS);
	return 0;
}

/* A row for every op, to count its time in, and the last for the head. */
static int times(struct program *p)
{
	while (op_at(p->ntime))
		p->ntime++;
	p->time = calloc(p->ntime + 1, sizeof(*p->time));
	if (!p->time)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < p->ntime; i++)
		p->time[i].op = op_at(i)->name;
	p->time[p->ntime++].op = "head";
	return 0;
}

static int make(struct program *p)
{
	TRY(sizes(p));
	TRY(times(p));
	TRY(program_build(p));
	return program_check_used(p);
}

int program_new(struct program **to, const struct family *f,
		const struct family_config *c, const struct tensor_set *base)
{
	struct program *p = calloc(1, sizeof(*p));
	int err;

	*to = NULL;
	if (!p)
		return err_set(E_NOMEM, "out of memory");
	p->f = f;
	p->c = c;
	p->base = base;
	err = make(p);
	if (err)
		program_free(p);
	else
		*to = p;
	return err;
}

void program_unplan(struct program *p)
{
	plan_free(p->plan);
	p->plan = NULL;
	arena_release(&p->arena);
}

void program_free(struct program *p)
{
	if (!p)
		return;
	program_unplan(p);
	program_unbind(p);
	for (size_t i = 0; i < p->nangles; i++)
		free(p->angles[i].freq);
	free(p->node);
	free(p->value);
	free(p->state);
	free(p->time);
	free(p->prompt);
	family_config_free(p->own_config);
	family_free(p->own_family);
	free(p);
}

static int config_of(json_t **config, const struct tensor_set *base)
{
	const struct tensor *t = tensor_set_find(base, "file/config.json");
	int err;

	if (!t || !t->npart || !t->part[0].data)
		return err_set(E_DATA, "the base has no config.json");
	err = json_parse(config, t->part[0].data, t->part[0].bytes);
	return err ? err_at(err, "config.json") : 0;
}

static int open_with(struct program **p, json_t *config,
		     const struct tensor_set *base, const char *arch_file)
{
	const struct family *f = NULL;
	struct family *own = NULL;
	struct family_config *c = NULL;
	int err = arch_file
		? family_parse(&own, arch_file, strlen(arch_file), "--arch")
		: family_find(&f, config);

	if (own)
		f = own;
	if (!err)
		err = family_configure(&c, f, config);
	if (!err)
		err = program_new(p, f, c, base);
	if (err) {
		family_config_free(c);
		family_free(own);
		return err;
	}
	(*p)->own_family = own;
	(*p)->own_config = c;
	return 0;
}

int program_open(struct program **p, const struct tensor_set *base,
		 const char *arch_file)
{
	json_t *config;
	int err;

	*p = NULL;
	TRY(config_of(&config, base));
	err = open_with(p, config, base, arch_file);
	json_decref(config);
	return err;
}

/* ---- asking ---- */

size_t program_modules(const struct program *p,
		       const struct program_module **at)
{
	*at = p->module;
	return p->nmodule;
}

const struct tensor_set *program_base(const struct program *p)
{
	return p->base;
}

size_t program_layers(const struct program *p)
{
	return p->layers;
}

size_t program_hidden(const struct program *p)
{
	return p->hidden;
}

size_t program_vocab(const struct program *p)
{
	return p->vocab;
}

size_t program_longest(const struct program *p)
{
	size_t n = SIZE_MAX;

	for (size_t i = 0; i < p->nangles; i++)
		n = size_min(n, p->angles[i].longest);
	for (size_t i = 0; i < p->nnode; i++)
		if (p->node[i].op.op == &op_position)
			n = size_min(n, p->node[i].op.module[0].weight->rows);
	if (n == SIZE_MAX)
		return n;
	return n - size_min(n, program_front_most(p));
}

double program_flops(const struct program *p)
{
	double flops = 0;

	for (size_t i = 0; i < p->nmodule; i++)
		if (p->module[i].role != ROLE_EMBED)
			flops += 2.0 * (double)p->module[i].weight->rows *
				 (double)p->module[i].weight->cols;
	return flops;
}

void program_keep_states(struct program *p)
{
	p->keep_states = 1;
}

/* ---- the plan ---- */

static size_t weight_bytes(const struct program *p)
{
	size_t n, all = 0;

	family_tensors(p->f, &n);
	for (size_t i = 0; i < n * p->layers; i++)
		if (p->bound[i].name)
			all += p->bound[i].size * sizeof(float);
	for (size_t i = 0; i < p->base->n; i++)
		all += tensor_bytes(&p->base->at[i]);
	return all;
}

int program_keeps_out(const struct program *p, const struct program_need *n)
{
	const struct op_node *last =
		p->nafter ? &p->after[p->nafter - 1] : NULL;

	return n->train && last && last->op->reads;
}

static size_t head_out_bytes(const struct program *p,
			     const struct program_need *need)
{
	return program_keeps_out(p, need) ?
	       need->rows * p->vocab * sizeof(float) : 0;
}

/* What the plan takes of the arena, in the order it is taken. */
static size_t arena_bytes(const struct plan *plan, const struct program *p,
			  size_t *activations)
{
	size_t head = plan->need.rows * p->head.op.aux * sizeof(float);
	size_t all = 0;

	arena_plan(&all, plan->activations);
	arena_plan(&all, head);
	arena_plan(&all, head_out_bytes(p, &plan->need));
	*activations = all;
	arena_plan(&all, plan->space);
	arena_plan(&all, plan->scratch);
	arena_plan(&all, plan->tables);
	arena_plan(&all, plan->ints);
	arena_plan(&all, plan->past);
	return all;
}

void program_cost(const struct program *p, const struct pool *pool,
		  const struct program_need *need, struct bytes_plan *bytes)
{
	struct plan *plan;
	size_t all, activations;

	memset(bytes, 0, sizeof(*bytes));
	bytes->by[BYTES_WEIGHTS] = weight_bytes(p);
	if (plan_new(&plan, p, pool, need)) {
		bytes->by[BYTES_ACTIVATIONS] = UINT64_MAX / BYTES_CLASSES;
		return;
	}
	all = arena_bytes(plan, p, &activations);
	bytes->by[BYTES_ACTIVATIONS] = activations;
	bytes->by[BYTES_WORKSPACE] = all - activations;
	plan_free(plan);
}

static void lay_out(struct program *p)
{
	const struct plan *plan = p->plan;
	struct arena *a = &p->arena;

	p->pieces = arena_get(a, plan->activations);
	p->head_aux = arena_get(a, plan->need.rows * p->head.op.aux *
					sizeof(float));
	p->head_out = arena_get(a, head_out_bytes(p, &plan->need));
	p->run.space = arena_get(a, plan->space);
	p->run.scratch = arena_get(a, plan->scratch);
	angles_fill(p, p->table, arena_get(a, plan->tables),
		    plan->need.tokens);
	p->pos = arena_get(a, plan->ints);
	p->run.past = arena_get(a, plan->past);
	p->run.pool = p->pool;
}

int program_plan(struct program *p, struct pool *pool,
		 const struct program_need *need)
{
	size_t activations;
	int err;

	program_unplan(p);
	p->pool = pool;
	TRY(plan_new(&p->plan, p, pool, need));
	err = arena_init(&p->arena,
			 arena_bytes(p->plan, p, &activations));
	if (err)
		program_unplan(p);
	else
		lay_out(p);
	return err;
}
