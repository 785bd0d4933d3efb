/*
 * From nodes to calls, and to the pieces of memory they write.
 *
 * A value that backward reads is either kept from forward, or written again
 * in backward just before it is needed: where its op is cheap, and anywhere
 * in a layer that is recomputed, but for what leaves that layer. So a value
 * has up to three pieces: of forward, of backward, and its gradient.
 *
 * Backward walks the nodes that lie above something trained, from the last.
 * The first reader of a value to give it a gradient writes it, the others add
 * to it. Through an addition the gradient passes as it is: its inputs share
 * the memory of its output, where the others' writing and reading permit.
 */
#include "arch/program_parts.h"
#include "base/size.h"

#include <assert.h>
#include <stdlib.h>

struct planner {
	const struct program *p;
	struct plan *plan;
	char *active;           /* (nodes) backward runs */
	char *wanted;           /* (values) has a gradient */
	char *read;             /* (values) by a call of backward */
	char *again;            /* (nodes) written again in backward */
	char *done;             /* (nodes) ... and has been */
	int *piece[3];          /* (values) of forward, of backward, gradient */
	int *aux[2];            /* (nodes) */
};

enum { FORWARD, BACKWARD, GRADIENT };

static int piece_new(struct planner *pl, size_t cols)
{
	struct plan *plan = pl->plan;

	plan->piece[plan->npiece] = (struct piece){
		.cols = cols, .first = plan->ncall, .last = plan->ncall,
		.same = NONE,
	};
	return (int)plan->npiece++;
}

static void piece_use(struct planner *pl, int piece)
{
	if (piece != NONE)
		pl->plan->piece[piece].last = pl->plan->ncall;
}

/* ---- what backward reads ---- */

static const struct op *op_of(const struct planner *pl, size_t node)
{
	return pl->p->node[node].op.op;
}

static unsigned reads(const struct node *n)
{
	return n->op.op->reads ? n->op.op->reads(&n->op) : 0;
}

/* Nodes and values above something that is trained. */
static void mark_active(struct planner *pl)
{
	const struct program *p = pl->p;

	for (size_t i = 0; i < p->nnode; i++) {
		const struct node *n = &p->node[i];
		int below = 0;

		for (size_t k = 0; k < n->op.nin; k++)
			below |= pl->wanted[n->in[k]];
		pl->active[i] = below || op_trains(&n->op);
		for (size_t k = 0; k < n->op.nout; k++)
			pl->wanted[n->out[k]] = pl->active[i];
	}
}

static int recomputed(const struct planner *pl, size_t layer)
{
	return layer != SIZE_MAX && layer < pl->plan->need.recompute;
}

/* Does the value leave its layer? */
static int leaves(const struct planner *pl, size_t value)
{
	const struct value *v = &pl->p->value[value];

	return v->layer == SIZE_MAX || pl->p->state[v->layer] == value;
}

static int forgets(const struct planner *pl, size_t node)
{
	const struct node *n = &pl->p->node[node];

	if (recomputed(pl, n->op.layer))
		return 1;
	return (n->op.op->flags & OP_CHEAP) && n->op.nout == 1;
}

/* From the last node to the first: what is read again, and so written again,
 * which in turn reads what it is made from. */
static void mark_again(struct planner *pl)
{
	const struct program *p = pl->p;

	for (size_t i = p->nnode; i-- > 0;) {
		const struct node *n = &p->node[i];
		unsigned r = pl->active[i] ? reads(n) : 0;
		int again = pl->active[i] && n->op.aux &&
			    recomputed(pl, n->op.layer);

		for (size_t k = 0; k < n->op.nout; k++)
			again |= (pl->read[n->out[k]] || r & OP_READS_OUT) &&
				 forgets(pl, i) && !leaves(pl, n->out[k]);
		pl->again[i] = (char)again;
		for (size_t k = 0; k < n->op.nin; k++)
			pl->read[n->in[k]] |= again || r & OP_READS_IN << k;
	}
}

/* ---- forward ---- */

static struct step_call *call_new(struct planner *pl, size_t node,
				  enum turn turn)
{
	struct step_call *c = &pl->plan->call[pl->plan->ncall];

	*c = (struct step_call){ .node = node, .turn = turn, .aux = NONE };
	for (int i = 0; i < OP_IN; i++)
		c->in[i] = c->din[i] = NONE;
	for (int i = 0; i < OP_OUT; i++)
		c->out[i] = c->dout[i] = NONE;
	return c;
}

/* Where a value is: written again in backward, or kept from forward. */
static int piece_of(const struct planner *pl, size_t value, int which)
{
	if (which == BACKWARD && pl->piece[BACKWARD][value] != NONE)
		return pl->piece[BACKWARD][value];
	return pl->piece[FORWARD][value];
}

static void call_forward(struct planner *pl, size_t node, enum turn turn)
{
	const struct node *n = &pl->p->node[node];
	struct step_call *c = call_new(pl, node, turn);
	int which = turn == TURN_AGAIN ? BACKWARD : FORWARD;

	for (size_t k = 0; k < n->op.nin; k++) {
		c->in[k] = piece_of(pl, n->in[k], which);
		piece_use(pl, c->in[k]);
	}
	for (size_t k = 0; k < n->op.nout; k++)
		c->out[k] = pl->piece[which][n->out[k]] =
			piece_new(pl, n->op.out_cols[k]);
	if (n->op.aux)
		c->aux = pl->aux[which][node] = piece_new(pl, n->op.aux);
	pl->plan->ncall++;
}

/* ---- backward ---- */

static void write_again(struct planner *pl, size_t node);

static void ready(struct planner *pl, size_t value)
{
	size_t maker = pl->p->value[value].producer;

	if (pl->again[maker] && !pl->done[maker])
		write_again(pl, maker);
}

static void write_again(struct planner *pl, size_t node)
{
	const struct node *n = &pl->p->node[node];

	for (size_t k = 0; k < n->op.nin; k++)
		ready(pl, n->in[k]);
	pl->done[node] = 1;
	call_forward(pl, node, TURN_AGAIN);
}

static int rewrites(const struct planner *pl, size_t node)
{
	const struct op *op = op_of(pl, node);

	return op->rewrites && op->rewrites(&pl->p->node[node].op);
}

/* The next time, in backward, that a call writes to the value's gradient after
 * node's: as that call's node, or -1. */
static long next_write(const struct planner *pl, size_t value, size_t node)
{
	const struct program *p = pl->p;
	size_t maker = p->value[value].producer;

	for (size_t i = node; i-- > maker + 1;)
		for (size_t k = 0; pl->active[i] && k < p->node[i].op.nin; k++)
			if (p->node[i].in[k] == value)
				return (long)i;
	return rewrites(pl, maker) ? (long)maker : -1;
}

/* May value's gradient be the memory of piece, the gradient that node passes
 * on? Whoever else is still to read there must do so before value's is
 * written to, and the other way round. */
static int may_share(const struct planner *pl, size_t value, size_t node,
		     int piece)
{
	const struct program *p = pl->p;
	long write = next_write(pl, value, node);
	long read = (long)p->value[value].producer;
	const struct node *n = &p->node[node];
	size_t times = 0;

	for (size_t k = 0; k < n->op.nin; k++)
		times += n->in[k] == value;
	if (times > 1 || pl->plan->piece[piece].outside)
		return 0;
	for (size_t u = 0; u < p->nvalue; u++) {
		long maker = (long)p->value[u].producer;

		if (pl->piece[GRADIENT][u] != piece || maker >= (long)node)
			continue;
		if (write >= maker || next_write(pl, u, node) >= read)
			return 0;
	}
	return 1;
}

static void gradient_of(struct planner *pl, struct step_call *c, size_t k)
{
	const struct node *n = &pl->p->node[c->node];
	int *g = &pl->piece[GRADIENT][n->in[k]];

	c->add[k] = *g != NONE;
	if (*g == NONE && n->op.op->flags & OP_SHARES &&
	    may_share(pl, n->in[k], c->node, c->dout[0]))
		*g = c->dout[0];
	else if (*g == NONE)
		*g = piece_new(pl, n->op.in_cols[k]);
	c->din[k] = *g;
	piece_use(pl, *g);
}

/* Ops that own their inputs write all gradients; others what is wanted. */
static int gives(const struct planner *pl, const struct node *n, size_t k)
{
	int any = 0;

	if (!(n->op.op->flags & OP_OWNS))
		return pl->wanted[n->in[k]];
	for (size_t i = 0; i < n->op.nin; i++)
		any |= pl->wanted[n->in[i]];
	return any;
}

static void call_backward(struct planner *pl, size_t node)
{
	const struct node *n = &pl->p->node[node];
	unsigned r = reads(n);
	struct step_call *c;

	for (size_t k = 0; k < n->op.nin; k++)
		if (r & OP_READS_IN << k)
			ready(pl, n->in[k]);
	if (pl->again[node] && !pl->done[node])
		write_again(pl, node);
	c = call_new(pl, node, TURN_BACKWARD);
	for (size_t k = 0; k < n->op.nin; k++)
		if (r & OP_READS_IN << k) {
			c->in[k] = piece_of(pl, n->in[k], BACKWARD);
			piece_use(pl, c->in[k]);
		}
	for (size_t k = 0; k < n->op.nout; k++) {
		if (r & OP_READS_OUT) {
			c->out[k] = piece_of(pl, n->out[k], BACKWARD);
			piece_use(pl, c->out[k]);
		}
		c->dout[k] = pl->piece[GRADIENT][n->out[k]];
		assert(c->dout[k] != NONE);
		piece_use(pl, c->dout[k]);
	}
	if (n->op.aux) {
		c->aux = pl->done[node] ? pl->aux[BACKWARD][node]
					: pl->aux[FORWARD][node];
		piece_use(pl, c->aux);
	}
	for (size_t k = 0; k < n->op.nin; k++)
		if (gives(pl, n, k))
			gradient_of(pl, c, k);
	pl->plan->ncall++;
}

/* ---- the walk ---- */

/* Until the next forward: past the last call. */
static void keep_to_the_end(struct plan *plan, int piece)
{
	plan->piece[piece].last = SIZE_MAX;
}

static void walk(struct planner *pl)
{
	const struct program *p = pl->p;
	struct plan *plan = pl->plan;

	for (size_t i = 0; i < p->nnode; i++)
		call_forward(pl, i, TURN_FORWARD);
	plan->nforward = plan->ncall;
	plan->last = pl->piece[FORWARD][p->last];
	if (plan->need.train && pl->wanted[p->last]) {
		plan->dlast = piece_new(pl, p->hidden);
		plan->piece[plan->dlast].outside = 1;
		pl->piece[GRADIENT][p->last] = plan->dlast;
		for (size_t i = p->nnode; i-- > 0;)
			if (pl->active[i])
				call_backward(pl, i);
	}
	keep_to_the_end(plan, plan->last);
	for (size_t i = 0; p->keep_states && i < p->layers; i++) {
		plan->state[i] = pl->piece[FORWARD][p->state[i]];
		keep_to_the_end(plan, plan->state[i]);
	}
}

/* ---- memory of the planner's own ---- */

static int *indices(size_t n)
{
	int *at = malloc(n * sizeof(*at));

	for (size_t i = 0; at && i < n; i++)
		at[i] = NONE;
	return at;
}

static void planner_release(struct planner *pl)
{
	free(pl->active);
	free(pl->wanted);
	free(pl->read);
	free(pl->again);
	free(pl->done);
	for (int i = 0; i < 3; i++)
		free(pl->piece[i]);
	free(pl->aux[0]);
	free(pl->aux[1]);
}

static int planner_room(struct planner *pl)
{
	size_t nodes = pl->p->nnode, values = pl->p->nvalue;
	struct plan *plan = pl->plan;

	pl->active = calloc(nodes, 1);
	pl->wanted = calloc(values, 1);
	pl->read = calloc(values, 1);
	pl->again = calloc(nodes, 1);
	pl->done = calloc(nodes, 1);
	for (int i = 0; i < 3; i++)
		pl->piece[i] = indices(values);
	pl->aux[0] = indices(nodes);
	pl->aux[1] = indices(nodes);
	plan->call = calloc(3 * nodes, sizeof(*plan->call));
	plan->piece = calloc(3 * values + 2 * nodes + 1, sizeof(*plan->piece));
	plan->state = indices(pl->p->layers);
	if (pl->active && pl->wanted && pl->read && pl->again && pl->done &&
	    pl->piece[0] && pl->piece[1] && pl->piece[2] && pl->aux[0] &&
	    pl->aux[1] && plan->call && plan->piece && plan->state)
		return 0;
	return err_set(E_NOMEM, "out of memory");
}

int plan_walk(struct plan *plan, const struct program *p)
{
	struct planner pl = { .p = p, .plan = plan };
	int err = planner_room(&pl);

	if (!err) {
		mark_active(&pl);
		mark_again(&pl);
		walk(&pl);
	}
	planner_release(&pl);
	return err;
}
