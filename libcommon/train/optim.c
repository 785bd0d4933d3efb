#include "train/optim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "kernel/table.h"

enum { PIECE = 16384, LEAST = 4096 }; /* elements */

/* A run of elements of one parameter. */
struct optim_piece {
	struct adapter_param *param;
	const struct optim_kind *kind;
	float *p, *g;
	void *state[OPTIM_STATES];
	size_t n, group;
	double square;          /* the sum, for the norm */
};

static const struct optim_kind *const kinds[] = {
	&optim_adamw,
	&optim_sgd,
	&optim_adamw8,
};

const struct optim_kind *optim_at(size_t i)
{
	return i < NELEM(kinds) ? kinds[i] : NULL;
}

const struct optim_kind *optim_find(const char *name)
{
	for (size_t i = 0; i < NELEM(kinds); i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

static size_t count_of(const struct adapter_param *p)
{
	return p->rows * p->cols;
}

/* The kind that moves a parameter. */
static const struct optim_kind *kind_for(const struct optim_kind *k,
					 const struct optim_options *o,
					 const struct adapter_param *p)
{
	size_t least = o->least ? o->least : LEAST;

	return k->small && count_of(p) < least ? k->small : k;
}

static size_t state_bytes(const struct optim_state *s, size_t count)
{
	return size_ceil(count, s->per) * dtype_bits(s->dtype) / 8;
}

/* What the states of an adapter take. */
static void add_bytes(size_t *total, const struct optim_kind *k,
		      const struct optim_options *options,
		      const struct adapter *a)
{
	for (size_t n = 0; n < a->nparam; n++) {
		const struct adapter_param *p = &a->param[n];
		const struct optim_kind *own = kind_for(k, options, p);

		for (size_t s = 0; !p->state && s < own->nstate; s++)
			arena_plan(total, state_bytes(&own->state[s],
						      count_of(p)));
	}
}

size_t optim_bytes(const struct optim_kind *k,
		   const struct optim_options *options,
		   const struct adapter_set *set)
{
	size_t total = 0;

	for (size_t i = 0; i < set->n; i++)
		add_bytes(&total, k, options, &set->at[i]);
	return total;
}

void optim_group_bytes(const struct optim_kind *k,
		       const struct optim_options *options,
		       const struct adapter_set *set, const size_t *of,
		       size_t *bytes)
{
	for (size_t i = 0; i < set->n; i++)
		add_bytes(&bytes[of[i]], k, options, &set->at[i]);
}

static size_t pieces(const struct adapter_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++)
		for (size_t k = 0; k < set->at[i].nparam; k++) {
			const struct adapter_param *p = &set->at[i].param[k];

			if (!p->state)
				n += size_ceil(p->rows * p->cols, PIECE);
		}
	return n;
}

/* The pieces of a parameter: its state arrays, cut like itself. */
static void cut(struct optim *o, struct adapter_param *p, size_t group,
		struct arena *from)
{
	const struct optim_kind *kind = kind_for(o->kind, &o->options, p);
	size_t n = count_of(p);
	char *state[OPTIM_STATES] = { NULL };

	for (size_t s = 0; s < kind->nstate; s++)
		state[s] = arena_get(from, state_bytes(&kind->state[s], n));
	for (size_t at = 0; at < n; at += PIECE) {
		struct optim_piece *piece = &o->piece[o->npiece++];

		*piece = (struct optim_piece){
			.param = p, .kind = kind, .p = p->at + at,
			.g = p->grad + at, .n = size_min(PIECE, n - at),
			.group = group,
		};
		for (size_t s = 0; s < kind->nstate; s++)
			piece->state[s] = state[s] +
					  state_bytes(&kind->state[s], at);
	}
}

static void cut_adapter(struct optim *o, struct adapter *a, size_t group,
			struct arena *from)
{
	for (size_t p = 0; p < a->nparam; p++)
		if (!a->param[p].state)
			cut(o, &a->param[p], group, from);
}

static int begin(struct optim *o, const struct optim_kind *k,
		 const struct optim_options *options, struct adapter_set *set)
{
	memset(o, 0, sizeof(*o));
	o->kind = k;
	o->options = *options;
	o->set = set;
	o->piece = calloc(pieces(set) + 1, sizeof(*o->piece));
	return o->piece ? 0 : err_set(E_NOMEM, "out of memory");
}

int optim_init(struct optim *o, const struct optim_kind *k,
	       const struct optim_options *options, struct adapter_set *set)
{
	TRY(begin(o, k, options, set));
	TRY(arena_init(&o->memory, optim_bytes(k, options, set)));
	for (size_t i = 0; i < set->n; i++)
		cut_adapter(o, &set->at[i], 0, &o->memory);
	return 0;
}

static int order_pieces(struct optim *o)
{
	size_t at = 0;

	o->order = calloc(o->npiece + 1, sizeof(*o->order));
	o->first = calloc(o->groups.n + 1, sizeof(*o->first));
	if (!o->order || !o->first)
		return err_set(E_NOMEM, "out of memory");
	for (size_t g = 0; g < o->groups.n; g++) {
		for (size_t i = 0; i < o->npiece; i++)
			if (o->piece[i].group == g)
				o->order[at++] = i;
		o->first[g + 1] = at;
	}
	return 0;
}

int optim_init_groups(struct optim *o, const struct optim_kind *k,
		      const struct optim_options *options,
		      struct adapter_set *set, const struct optim_groups *g)
{
	struct arena *from = calloc(g->n + 1, sizeof(*from));
	int err = begin(o, k, options, set);

	if (!err && !from)
		err = err_set(E_NOMEM, "out of memory");
	o->groups = *g;
	for (size_t i = 0; !err && i < g->n; i++)
		from[i] = (struct arena){ g->at[i], SIZE_MAX, 0 };
	for (size_t a = 0; !err && a < set->n; a++)
		cut_adapter(o, &set->at[a], g->of[a], &from[g->of[a]]);
	free(from);
	return err ? err : order_pieces(o);
}

void optim_release(struct optim *o)
{
	free(o->piece);
	free(o->order);
	free(o->first);
	arena_release(&o->memory);
	memset(o, 0, sizeof(*o));
}

static void square_piece(void *ctx, size_t task, size_t lane)
{
	struct optim_piece *p = &((const struct optim *)ctx)->piece[task];

	(void)lane;
	p->square = kernels()->sum_squares(p->g, p->n);
}

double optim_norm(const struct optim *o, struct pool *pool)
{
	double sum = 0;

	pool_run(pool, o->npiece, square_piece, (void *)o);
	for (size_t i = 0; i < o->npiece; i++)
		sum += o->piece[i].square;
	return sqrt(sum);
}

struct step {
	const struct optim *optim;
	double lr;
	float scale;
	const size_t *order;    /* NULL: as they are */
};

static void step_piece(void *ctx, size_t task, size_t lane)
{
	const struct step *s = ctx;
	const struct optim_piece *p =
		&s->optim->piece[s->order ? s->order[task] : task];
	const struct optim_move m = {
		.options = &s->optim->options,
		.t = s->optim->t,
		.lr = s->lr * (double)p->param->lr_ratio,
		.scale = s->scale,
	};

	(void)lane;
	p->kind->step(&m, p->p, p->state, p->g, p->n);
}

void optim_step(struct optim *o, struct pool *pool, double lr, float scale)
{
	struct step s = { o, lr, scale, NULL };

	o->t++;
	pool_run(pool, o->npiece, step_piece, &s);
}

void optim_begin_step(struct optim *o)
{
	o->t++;
}

void optim_step_group(struct optim *o, struct pool *pool, double lr,
		      float scale, size_t group)
{
	size_t first = o->first[group];
	struct step s = { o, lr, scale, o->order + first };

	pool_run(pool, o->first[group + 1] - first, step_piece, &s);
}

/* ---- the state as tensors ---- */

/* Calls fn with a tensor of a state array, its data in the arena. */
static int one(const struct adapter *a, const struct optim_piece *piece,
	       size_t s, adapter_tensor_fn *fn, void *ctx)
{
	const struct adapter_param *p = piece->param;
	const struct optim_state *state = &piece->kind->state[s];
	size_t blocks[2] = { 1, size_ceil(count_of(p), state->per) };
	size_t dims[2] = { p->rows, p->cols };
	char name[2 * TENSOR_NAME];
	struct tensor t;
	int err;

	snprintf(name, sizeof(name), "%s.%s.%s", a->module, p->name,
		 state->name);
	TRY(tensor_init(&t, name, ROLE_STATE, state->dtype, 2,
			state->per > 1 ? blocks : dims));
	t.part[0].data = piece->state[s];
	err = fn(ctx, &t);
	t.part[0].data = NULL;
	tensor_release(&t);
	return err;
}

static int each(const struct optim *o, adapter_tensor_fn *fn, void *ctx)
{
	const struct optim_piece *piece = o->piece;
	const struct optim_groups *g = &o->groups;

	for (size_t i = 0; i < o->set->n; i++) {
		if (g->n)
			TRY(g->use(g->ctx, g->of[i]));
		for (size_t k = 0; k < o->set->at[i].nparam; k++) {
			const struct adapter *a = &o->set->at[i];
			const struct adapter_param *p = &a->param[k];

			if (p->state)
				continue;
			for (size_t s = 0; s < piece->kind->nstate; s++)
				TRY(one(a, piece, s, fn, ctx));
			while (piece < o->piece + o->npiece &&
			       piece->param == p)
				piece++;
		}
	}
	return 0;
}

int optim_tensors(const struct optim *o, adapter_tensor_fn *fn, void *ctx)
{
	return each(o, fn, ctx);
}

static int load(void *ctx, const struct tensor *to)
{
	const struct tensor *t = tensor_set_find(ctx, to->name);

	if (!t)
		return err_set(E_DATA, "the state of training has no %s",
			       to->name);
	if (t->dtype != to->dtype || !tensor_is_plain(t) || t->rank != 2 ||
	    t->shape[0] != to->shape[0] || t->shape[1] != to->shape[1])
		return err_set(E_DATA, "%s has another shape or type than its "
			       "parameter", to->name);
	memcpy(to->part[0].data, t->part[0].data, to->part[0].bytes);
	return 0;
}

int optim_load(struct optim *o, const struct tensor_set *from)
{
	return each(o, load, (void *)from);
}
