/*
 * Causal attention: kernel/attention.h. Numbers: head_dim, scale, window
 * (absent: all), softcap (absent: none). Keeps the log-sum-exp of each head.
 *
 * Keys and values of a soft prompt's virtual tokens are written over what the
 * layer computed for them, in both directions: the layer may have computed it
 * anew. Their gradients go to the prompt, and not below.
 */
#include "kernel/attention.h"

#include "op/op.h"

#include <math.h>

static size_t heads_of(size_t cols, double dim)
{
	return dim >= 1 && dim <= (double)cols && cols % (size_t)dim == 0
		       ? cols / (size_t)dim : 0;
}

static int attend_shape(struct op_node *n)
{
	size_t heads = heads_of(n->in_cols[0], n->number[0]);
	size_t kv = heads_of(n->in_cols[1], n->number[0]);

	if (!heads || !kv || heads % kv || n->in_cols[2] != n->in_cols[1])
		return err_set(E_DATA, "attend: q of %zu, k of %zu, v of %zu "
			       "in heads of %g", n->in_cols[0], n->in_cols[1],
			       n->in_cols[2], n->number[0]);
	if (!(n->number[1] > 0))
		return err_set(E_DATA, "attend: wants a scale above 0");
	if (!isnan(n->number[2]) &&
	    (!(n->number[2] >= 1 && n->number[2] <= 2147483648.0) ||
	     floor(n->number[2]) < n->number[2]))
		return err_set(E_DATA, "attend: a window of %g", n->number[2]);
	if (!isnan(n->number[3]) && !(n->number[3] > 0))
		return err_set(E_DATA, "attend: a softcap of %g",
			       n->number[3]);
	n->nout = 1;
	n->out_cols[0] = n->in_cols[0];
	n->aux = heads;
	return 0;
}

static unsigned attend_reads(const struct op_node *n)
{
	(void)n;
	return OP_READS_IN << 0 | OP_READS_IN << 1 | OP_READS_IN << 2 |
	       OP_READS_OUT;
}

static size_t attend_space(const struct op_node *n, const struct pool *pool,
			   size_t rows, int train)
{
	size_t dim = (size_t)n->number[0];

	return attention_space(pool, n->in_cols[0] / dim,
			       n->in_cols[1] / dim, dim, rows, train);
}

static struct attention attention_of(const struct op_call *c)
{
	const struct op_node *n = c->node;
	size_t dim = (size_t)n->number[0];

	return (struct attention){
		.heads = n->in_cols[0] / dim,
		.kv_heads = n->in_cols[1] / dim,
		.head_dim = dim,
		.window = isnan(n->number[2]) ? 0 : (size_t)n->number[2],
		.scale = (float)n->number[1],
		.softcap = isnan(n->number[3]) ? 0 : (float)n->number[3],
		.nseq = c->run->batch->nseq,
		.start = c->run->batch->start,
		.q = c->in[0].at, .k = c->in[1].at, .v = c->in[2].at,
		.out = c->out[0].at, .lse = c->aux.at,
		.qstride = c->in[0].stride, .kstride = c->in[1].stride,
		.vstride = c->in[2].stride, .ostride = c->out[0].stride,
	};
}

static void put_front(const struct op_call *c)
{
	op_front_put(c, op_front_keys, c->in[1]);
	op_front_put(c, op_front_values, c->in[2]);
}

static void attend_forward(const struct op_call *c)
{
	const struct op_run *r = c->run;
	struct attention a = attention_of(c);

	put_front(c);
	if (r->cache) {
		r->cache(r->cache_ctx, c->node->cache, c->in[1], c->in[2],
			 r->past);
		a.past = r->past;
	}
	attention_forward(r->pool, r->space, &a);
}

static void attend_backward(const struct op_call *c)
{
	struct attention a = attention_of(c);
	struct attention_grad g = {
		.dout = c->dout[0].at, .dostride = c->dout[0].stride,
		.dq = c->din[0].at, .dqstride = c->din[0].stride,
		.dk = c->din[1].at, .dkstride = c->din[1].stride,
		.dv = c->din[2].at, .dvstride = c->din[2].stride,
	};

	put_front(c);
	attention_backward(c->run->pool, c->run->space, &a, &g);
	op_front_take(c, op_front_keys, c->din[1], 1);
	op_front_take(c, op_front_values, c->din[2], 1);
}

const struct op op_attend = {
	.name = "attend",
	.nin = 3,
	.flags = OP_OWNS,
	.shape = attend_shape,
	.reads = attend_reads,
	.space = attend_space,
	.forward = attend_forward,
	.backward = attend_backward,
};
