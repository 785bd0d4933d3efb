/*
 * Offsets for the pieces of a plan. First those that can be one memory are
 * joined: what a call writes takes the place of an input that is done. Then
 * the largest go first, each to the lowest gap among those whose lives meet
 * its own.
 */
#include "arch/program_parts.h"
#include "base/size.h"

#include <stdlib.h>

static int root_of(const struct plan *plan, int piece)
{
	while (plan->piece[piece].same != NONE)
		piece = plan->piece[piece].same;
	return piece;
}

/* from, born in call t, takes the place of to, which ends there. */
static int join(struct plan *plan, int from, int to, size_t t)
{
	struct piece *f = &plan->piece[from], *r;

	if (from == NONE || to == NONE || f->same != NONE)
		return 0;
	r = &plan->piece[root_of(plan, to)];
	if (r == f || r->outside || f->outside || r->cols != f->cols ||
	    f->first != t || r->last != t)
		return 0;
	f->same = root_of(plan, to);
	r->last = f->last;
	return 1;
}

static void join_call(struct plan *plan, const struct program *p, size_t t)
{
	const struct step_call *c = &plan->call[t];
	unsigned flags = p->node[c->node].op.op->flags;

	if (c->turn != TURN_BACKWARD && flags & OP_INPLACE)
		for (int k = 0; k < OP_IN; k++)
			if (join(plan, c->out[0], c->in[k], t))
				return;
	if (c->turn == TURN_BACKWARD && flags & OP_INPLACE_GRAD && !c->add[0])
		join(plan, c->din[0], c->dout[0], t);
}

/* ---- offsets ---- */

struct item {
	size_t bytes, piece;
};

/* Larger first, then earlier: an order that depends on the shapes alone. */
static int compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->piece < y->piece ? -1 : x->piece > y->piece;
}

static int meet(const struct piece *a, const struct piece *b)
{
	return a->first <= b->last && b->first <= a->last;
}

/* placed: by offset, n of them. Puts the new one in. */
static void place_one(struct plan *plan, struct item *placed, size_t n,
		      struct item new)
{
	struct piece *p = &plan->piece[new.piece];
	size_t i;

	p->offset = 0;
	for (i = 0; i < n; i++) {
		const struct piece *q = &plan->piece[placed[i].piece];

		if (!meet(p, q))
			continue;
		if (q->offset >= p->offset + new.bytes)
			break;
		p->offset = size_max(p->offset, q->offset + placed[i].bytes);
	}
	for (i = n; i > 0; i--) {
		if (plan->piece[placed[i - 1].piece].offset <= p->offset)
			break;
		placed[i] = placed[i - 1];
	}
	placed[i] = new;
}

static int items_of(const struct plan *plan, struct item *item, size_t *n)
{
	size_t all = 0;

	*n = 0;
	for (size_t i = 0; i < plan->npiece; i++) {
		const struct piece *p = &plan->piece[i];
		size_t bytes;

		if (p->same != NONE || p->outside)
			continue;
		if (size_mul(&bytes, p->cols, sizeof(float)) ||
		    size_mul(&bytes, bytes, plan->need.tokens) ||
		    size_add(&bytes, bytes, ARENA_ALIGN) ||
		    size_add(&all, all, bytes))
			return 1;
		item[(*n)++] = (struct item){
			size_align(bytes - ARENA_ALIGN, ARENA_ALIGN), i,
		};
	}
	return 0;
}

int plan_place(struct plan *plan, const struct program *p, size_t *bytes)
{
	struct item *item = calloc(2 * plan->npiece, sizeof(*item));
	size_t n, too_many = !item;

	*bytes = 0;
	for (size_t t = 0; t < plan->ncall; t++)
		join_call(plan, p, t);
	if (!too_many && items_of(plan, item, &n))
		too_many = 1;
	if (!too_many) {
		qsort(item, n, sizeof(*item), compare);
		for (size_t i = 0; i < n; i++) {
			place_one(plan, item + plan->npiece, i, item[i]);
			*bytes = size_max(*bytes,
				plan->piece[item[i].piece].offset +
				item[i].bytes);
		}
		for (size_t i = 0; i < plan->npiece; i++)
			plan->piece[i].offset = plan->piece[
				root_of(plan, (int)i)].offset;
	}
	free(item);
	return too_many ? 1 : 0;
}
