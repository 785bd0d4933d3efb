#include "arch/program_parts.h"
#include "base/os.h"
#include "base/size.h"

#include <assert.h>
#include <string.h>

/* ---- calls ---- */

struct mat program_mat(const struct program *p, int piece, size_t rows)
{
	const struct piece *at;

	if (piece == NONE)
		return (struct mat){ 0 };
	at = &p->plan->piece[piece];
	if (at->outside)
		return mat_of(at->at ? at->at : p->dlast, rows, at->cols);
	return mat_of((float *)(p->pieces + at->offset), rows, at->cols);
}

static struct op_call call_of(const struct program *p,
			      const struct step_call *c, size_t rows)
{
	struct op_call call = { .node = &p->node[c->node].op, .run = &p->run,
				.rows = rows };

	for (int i = 0; i < OP_IN; i++) {
		call.in[i] = program_mat(p, c->in[i], rows);
		call.din[i] = program_mat(p, c->din[i], rows);
		call.add[i] = c->add[i];
	}
	for (int i = 0; i < OP_OUT; i++) {
		call.out[i] = program_mat(p, c->out[i], rows);
		call.dout[i] = program_mat(p, c->dout[i], rows);
	}
	call.aux = program_mat(p, c->aux, rows);
	return call;
}

static struct program_time *time_of(struct program *p, const struct op_node *n)
{
	struct program_time *head = &p->time[p->ntime - 1];
	size_t i = 0;

	if (n == &p->head.op)
		return head;
	for (size_t j = 0; j < p->nafter; j++)
		if (n == &p->after[j])
			return head;
	while (p->time[i].op != n->op->name)
		i++;
	return &p->time[i];
}

static void timed(struct program *p, const struct op_call *call,
		  enum turn turn)
{
	struct program_time *t = time_of(p, call->node);
	double start = os_seconds(), spent;

	if (turn == TURN_BACKWARD)
		call->node->op->backward(call);
	else
		call->node->op->forward(call);
	spent = os_seconds() - start;
	if (turn == TURN_FORWARD)
		t->forward += spent;
	else if (turn == TURN_AGAIN)
		t->again += spent;
	else
		t->backward += spent;
}

void program_run_calls(struct program *p, size_t first, size_t last,
		       size_t rows)
{
	for (size_t i = first; i < last; i++) {
		const struct step_call *c = &p->plan->call[i];
		struct op_call call = call_of(p, c, rows);

		if (p->use &&
		    program_use(p, program_segment_of(p, &p->node[c->node])))
			return;
		timed(p, &call, c->turn);
	}
}

const struct program_time *program_profile(struct program *p, size_t *n)
{
	*n = p->ntime;
	return p->time;
}

void program_profile_reset(struct program *p)
{
	for (size_t i = 0; i < p->ntime; i++)
		p->time[i] = (struct program_time){ .op = p->time[i].op };
}

/* ---- a pass ---- */

void program_run_begin(struct program *p, const struct program_pass *pass)
{
	struct op_run *r = &p->run;

	r->batch = pass->batch;
	r->pos = pass->batch->pos;
	r->train = pass->train;
	r->step = pass->step;
	r->table = p->table;
	r->cache = NULL;
	if (pass->kv) {
		kv_begin(pass->kv, pass, p->pos);
		r->pos = p->pos;
		r->table = kv_tables(pass->kv);
		r->cache = kv_append;
		r->cache_ctx = pass->kv;
	}
}

struct mat program_forward(struct program *p, const struct program_pass *pass)
{
	const struct plan *plan = p->plan;
	size_t rows = pass->batch->n;

	assert(rows <= plan->need.tokens &&
	       pass->batch->nseq <= plan->need.sequences);
	program_run_begin(p, pass);
	program_run_calls(p, 0, plan->nforward, rows);
	if (pass->kv)
		kv_end(pass->kv, pass);
	return program_mat(p, plan->last, rows);
}

void program_backward(struct program *p, const struct program_pass *pass,
		      struct mat dlast)
{
	assert(p->plan->need.train && dlast.stride == p->hidden && !pass->kv);
	program_run_begin(p, pass);
	p->dlast = dlast.at;
	program_run_calls(p, p->plan->nforward, p->plan->ncall, pass->batch->n);
}

struct mat program_state(const struct program *p, size_t layer)
{
	assert(p->keep_states && layer < p->layers);
	return program_mat(p, p->plan->state[layer], p->run.batch->n);
}

/* ---- the head ---- */

/* Rows are those that the caller chose: no dropout, whose key is a position. */
static struct op_call head_call(struct program *p, struct mat x)
{
	size_t aux = p->head.op.aux;

	assert(x.rows <= p->plan->need.rows);
	p->run.train = 0;
	return (struct op_call){
		.node = &p->head.op, .run = &p->run, .rows = x.rows,
		.in = { x }, .aux = mat_of(p->head_aux, x.rows, aux),
	};
}

static struct op_call after_call(struct program *p, size_t i, struct mat m)
{
	return (struct op_call){
		.node = &p->after[i], .run = &p->run, .rows = m.rows,
		.in = { m }, .out = { m }, .dout = { m }, .din = { m },
	};
}

void program_logits(struct program *p, struct mat x, struct mat logits)
{
	struct op_call c = head_call(p, x);

	if (program_use(p, program_segments(p) - 1))
		return;
	c.out[0] = logits;
	timed(p, &c, TURN_FORWARD);
	for (size_t i = 0; i < p->nafter; i++) {
		c = after_call(p, i, logits);
		timed(p, &c, TURN_FORWARD);
	}
	if (program_keeps_out(p, &p->plan->need))
		for (size_t i = 0; i < x.rows; i++)
			memcpy(p->head_out + i * p->vocab, mat_row(logits, i),
			       p->vocab * sizeof(float));
}

void program_logits_backward(struct program *p, struct mat x,
			     struct mat dlogits, struct mat dx)
{
	struct op_call c;

	if (program_use(p, program_segments(p) - 1))
		return;
	p->run.train = 0;
	for (size_t i = p->nafter; i-- > 0;) {
		c = after_call(p, i, dlogits);
		if (i + 1 == p->nafter)
			c.out[0] = mat_of(p->head_out, x.rows, p->vocab);
		timed(p, &c, TURN_BACKWARD);
	}
	c = head_call(p, x);
	c.dout[0] = dlogits;
	c.din[0] = dx;
	timed(p, &c, TURN_BACKWARD);
}
