/*
 * Dropout on an adapter's input. The mask is a function of (seed, module,
 * step, sample, position, feature), so a recomputed layer, a restarted run, a
 * packed and a single sequence all draw the same one.
 */
#include "adapt/adapt_kind.h"
#include "kernel/table.h"

struct drop {
	const struct adapter *a;
	const struct adapt_pass *p;
	struct rng rng;
	struct mat to, from;
	int add;
};

int adapter_drops(const struct adapter *a, const struct adapt_pass *p)
{
	return p->batch && a->dropout > 0;
}

static void drop_sequence(void *ctx, size_t seq, size_t lane)
{
	const struct drop *d = ctx;
	const struct batch *b = d->p->batch;
	struct rng r = rng_at(d->rng, d->p->step, (uint32_t)b->sample[seq]);

	(void)lane;
	for (size_t row = b->start[seq]; row < b->start[seq + 1]; row++)
		kernels()->dropout(mat_row(d->to, row), d->add,
				   mat_row(d->from, row), d->a->in, r,
				   b->pos[row], d->a->dropout);
}

static void drop(const struct adapter *a, const struct adapt_pass *p,
		 struct mat to, struct mat from, int add)
{
	struct drop d = { a, p, rng_of(a->seed, a->module), to, from, add };

	pool_run(p->pool, p->batch->nseq, drop_sequence, &d);
}

size_t adapter_scratch(const struct adapter *a)
{
	return a->dropout > 0 ? a->in : a->pooled;
}

struct mat adapter_drop(const struct adapter *a, const struct adapt_pass *p,
			struct mat x)
{
	struct mat to = { p->scratch.at, x.rows, x.cols, p->scratch.stride };

	if (!adapter_drops(a, p))
		return x;
	drop(a, p, to, x, 0);
	return to;
}

void adapter_undrop(const struct adapter *a, const struct adapt_pass *p,
		    struct mat dx, struct mat add)
{
	drop(a, p, dx, add, 1);
}
