/*
 * Segments, and the visits that a pass over them is made of.
 *
 * The plan's calls, down and up, fall into visits in order. A piece that calls
 * of several visits touch is cut: each visit has a piece of its own for it,
 * which is the caller's memory. So between visits nothing is in the plan's, and
 * another part of the step can use it.
 */
#include "arch/program_parts.h"
#include "base/size.h"

#include <stdlib.h>
#include <string.h>

/* ---- segments ---- */

size_t program_segments(const struct program *p)
{
	return p->layers + 2;
}

size_t program_segment_of(const struct program *p, const struct node *n)
{
	if (n->op.layer != SIZE_MAX)
		return n->op.layer + 1;
	/* Nodes stand in order: before the layers, or after them. */
	for (const struct node *at = n; at < p->node + p->nnode; at++)
		if (at->op.layer != SIZE_MAX)
			return 0;
	return p->layers + 1;
}

static int node_tensors(const struct node *n, program_tensor_fn *fn, void *ctx)
{
	for (size_t i = 0; i < OP_OUT; i++)
		if (n->op.module[i].weight)
			TRY(fn(ctx, n->op.module[i].weight->tensor));
	return 0;
}

int program_segment_tensors(const struct program *p, size_t segment,
			    program_tensor_fn *fn, void *ctx)
{
	for (size_t i = 0; i < p->nnode; i++)
		if (program_segment_of(p, &p->node[i]) == segment)
			TRY(node_tensors(&p->node[i], fn, ctx));
	if (segment + 1 == program_segments(p))
		TRY(node_tensors(&p->head, fn, ctx));
	return 0;
}

void program_page(struct program *p, int (*use)(void *ctx, size_t segment),
		  void *ctx)
{
	p->use = use;
	p->use_ctx = ctx;
}

int program_failed(const struct program *p)
{
	return p->failed;
}

int program_use(struct program *p, size_t segment)
{
	if (p->use && !p->failed)
		p->failed = p->use(p->use_ctx, segment);
	return p->failed;
}

/* ---- cutting a plan into visits ---- */

struct cutter {
	struct plan *plan;
	const struct program *p;
	size_t *first, *last;   /* (npiece) visits that touch it */
	size_t *slot;           /* (npiece) */
	int *own;               /* (npiece) its piece in the visit at hand */
	size_t npiece, room;
};

static struct visit *visit_at(struct plan *plan, size_t i)
{
	return &plan->visit[i];
}

/* The calls of each visit. */
static int divide(struct plan *plan, const struct program *p)
{
	size_t segments = program_segments(p), at = 0;

	plan->nvisit = 2 * segments - 1;
	plan->visit = calloc(plan->nvisit, sizeof(*plan->visit));
	if (!plan->visit)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < plan->nvisit; i++) {
		struct visit *v = &plan->visit[i];
		size_t down = i < segments ? plan->nforward : plan->ncall;

		v->segment = i < segments ? i : 2 * segments - 2 - i;
		v->first = at;
		while (at < down && program_segment_of(p, &p->node[
				plan->call[at].node]) == v->segment)
			at++;
		v->turn = i < segments ? at : v->first;
		while (i + 1 == segments && at < plan->ncall &&
		       program_segment_of(p, &p->node[plan->call[at].node]) ==
				v->segment)
			at++;
		v->last = at;
	}
	return at == plan->ncall ? 0 : err_set(E_BUG, "calls that are not in "
					       "the order of the layers");
}

/* The places of a call's pieces, one after the other. */
enum { PLACES = 2 * OP_IN + 2 * OP_OUT + 1 };

static int *place(struct step_call *c, size_t i)
{
	if (i < OP_IN)
		return &c->in[i];
	i -= OP_IN;
	if (i < OP_OUT)
		return &c->out[i];
	i -= OP_OUT;
	if (i < OP_IN)
		return &c->din[i];
	i -= OP_IN;
	return i < OP_OUT ? &c->dout[i] : &c->aux;
}

/* May the call write to what stands there? */
static int writes(const struct step_call *c, size_t i)
{
	if (i < OP_IN)
		return 0;
	if (i < OP_IN + OP_OUT || i == PLACES - 1)
		return c->turn != TURN_BACKWARD;
	return 1;
}

static void note_touches(struct cutter *k)
{
	for (size_t v = 0; v < k->plan->nvisit; v++)
		for (size_t c = k->plan->visit[v].first;
		     c < k->plan->visit[v].last; c++)
			for (size_t i = 0; i < PLACES; i++) {
				int piece = *place(&k->plan->call[c], i);

				if (piece == NONE)
					continue;
				if (k->first[piece] == SIZE_MAX)
					k->first[piece] = v;
				k->last[piece] = v;
			}
}

/* Slots for pieces that more than one visit touches. */
static int number_slots(struct cutter *k)
{
	struct plan *plan = k->plan;
	size_t touches = 0;

	plan->slot_cols = calloc(k->npiece + 1, sizeof(*plan->slot_cols));
	if (!plan->slot_cols)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < k->npiece; i++) {
		if (k->first[i] == k->last[i])
			continue;
		touches += k->last[i] - k->first[i] + 1;
		k->slot[i] = plan->nslot;
		plan->slot_cols[plan->nslot++] = plan->piece[i].cols;
	}
	k->room = k->npiece + touches;
	plan->carry = calloc(touches + 1, sizeof(*plan->carry));
	return plan->carry ? 0 : err_set(E_NOMEM, "out of memory");
}

static struct program_carry *carry_of(struct plan *plan,
				      const struct visit *v, int own)
{
	size_t i = v->carry;

	while (plan->carry[i].piece != own)
		i++;
	return &plan->carry[i];
}

/* The piece that stands for it in this visit. */
static int own_piece(struct cutter *k, size_t visit, int piece)
{
	struct plan *plan = k->plan;
	struct visit *v = visit_at(plan, visit);

	if (k->own[piece] != NONE)
		return k->own[piece];
	plan->piece[plan->npiece] = (struct piece){
		.cols = plan->piece[piece].cols, .same = NONE,
		.outside = 1,
	};
	plan->carry[plan->ncarry++] = (struct program_carry){
		.slot = k->slot[piece], .load = k->first[piece] != visit,
		.piece = (int)plan->npiece,
	};
	v->ncarry++;
	return k->own[piece] = (int)plan->npiece++;
}

static void cut_call(struct cutter *k, size_t visit, size_t call)
{
	struct plan *plan = k->plan;
	struct visit *v = visit_at(plan, visit);

	for (size_t i = 0; i < PLACES; i++) {
		int *at = place(&plan->call[call], i), piece = *at;
		struct program_carry *c;

		if (piece == NONE || k->first[piece] == k->last[piece])
			continue;
		*at = own_piece(k, visit, piece);
		c = carry_of(plan, v, *at);
		if (k->last[piece] != visit &&
		    (!c->load || writes(&plan->call[call], i)))
			c->save = 1;
	}
}

static int cut(struct cutter *k)
{
	struct plan *plan = k->plan;
	struct piece *more;

	TRY(number_slots(k));
	more = realloc(plan->piece, (k->room + 1) * sizeof(*more));
	if (!more)
		return err_set(E_NOMEM, "out of memory");
	plan->piece = more;
	for (size_t i = 0; i < plan->nvisit; i++) {
		struct visit *v = visit_at(plan, i);

		for (size_t n = 0; n < k->npiece; n++)
			k->own[n] = NONE;
		v->carry = plan->ncarry;
		for (size_t c = v->first; c < v->last; c++)
			cut_call(k, i, c);
	}
	for (size_t i = 0; i < k->npiece; i++)
		if (k->first[i] != k->last[i])
			plan->piece[i].outside = 1; /* no longer used */
	return 0;
}

static int cutter_room(struct cutter *k)
{
	size_t n = k->npiece + 1;

	k->first = malloc(n * sizeof(*k->first));
	k->last = calloc(n, sizeof(*k->last));
	k->slot = calloc(n, sizeof(*k->slot));
	k->own = calloc(n, sizeof(*k->own));
	if (!k->first || !k->last || !k->slot || !k->own)
		return err_set(E_NOMEM, "out of memory");
	for (size_t i = 0; i < k->npiece; i++)
		k->first[i] = SIZE_MAX;
	return 0;
}

int plan_visits(struct plan *plan, const struct program *p)
{
	struct cutter k = { .plan = plan, .p = p, .npiece = plan->npiece };
	int err = divide(plan, p);

	if (!err)
		err = cutter_room(&k);
	if (!err) {
		note_touches(&k);
		for (size_t i = 0; i < k.npiece; i++)
			if (k.first[i] == SIZE_MAX)
				k.first[i] = k.last[i] = 0;
		err = k.first[plan->last] != p->layers + 1 ?
		      err_set(E_CONFIG, "a family with no step after its "
			      "layers cannot be paged") : cut(&k);
	}
	if (!err) /* the last states are for the loss alone */
		plan->piece[plan->last].last = plan->visit[p->layers + 1].last;
	free(k.first);
	free(k.last);
	free(k.slot);
	free(k.own);
	return err;
}

/* ---- asking ---- */

size_t program_visits(const struct program *p)
{
	return p->plan->nvisit;
}

size_t program_visit_segment(const struct program *p, size_t visit)
{
	return p->plan->visit[visit].segment;
}

size_t program_slots(const struct program *p)
{
	return p->plan->nslot;
}

size_t program_slot_cols(const struct program *p, size_t slot)
{
	return p->plan->slot_cols[slot];
}

size_t program_carries(const struct program *p, size_t visit,
		       const struct program_carry **at)
{
	*at = p->plan->carry + p->plan->visit[visit].carry;
	return p->plan->visit[visit].ncarry;
}

void program_carry_at(struct program *p, const struct program_carry *c,
		      float *at)
{
	p->plan->piece[c->piece].at = at;
}

static size_t visit_cols(const struct plan *plan, const struct visit *v)
{
	size_t sum = 0;

	for (size_t i = v->carry; i < v->carry + v->ncarry; i++)
		sum += plan->slot_cols[plan->carry[i].slot];
	return sum;
}

struct program_slots_cost program_slots_cost(const struct program *p,
					     const struct pool *pool,
					     const struct program_need *need)
{
	struct program_slots_cost c = { 0 };
	struct plan *plan;

	if (plan_new(&plan, p, pool, need)) {
		c.all = SIZE_MAX;
		return c;
	}
	c.n = plan->nslot;
	for (size_t i = 0; i < plan->nslot; i++)
		c.all += plan->slot_cols[i];
	for (size_t i = 0; i < plan->nvisit; i++)
		c.most = size_max(c.most, visit_cols(plan, &plan->visit[i]));
	plan_free(plan);
	return c;
}

/* ---- a visit ---- */

struct mat program_visit(struct program *p, size_t visit,
			 const struct program_pass *pass)
{
	const struct visit *v = &p->plan->visit[visit];

	program_run_begin(p, pass);
	program_run_calls(p, v->first, v->turn, pass->batch->n);
	return program_mat(p, p->plan->last, pass->batch->n);
}

void program_visit_back(struct program *p, size_t visit,
			const struct program_pass *pass, struct mat dlast)
{
	const struct visit *v = &p->plan->visit[visit];

	program_run_begin(p, pass);
	p->dlast = dlast.at;
	program_run_calls(p, v->turn, v->last, pass->batch->n);
}
