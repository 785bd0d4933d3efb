/* trainer_paged - the base in pages: held, or brought in layer by layer */
#include "train/trainer.h"

static struct paging_options options_of(const struct trainer *t)
{
	return (struct paging_options){
		.base = t->calls.base->page,
		.nbase = t->calls.base->n,
		.capacity = t->plan.capacity,
		.batches = t->options.accumulate,
		.most = &t->plan.most,
	};
}

int trainer_pages(struct trainer *t)
{
	const struct page_owner *base = t->calls.base;
	struct paging_options o;

	if (!base)
		return 0;
	if (!t->plan.capacity)
		return base->hold(base->ctx, t->pool);
	o = options_of(t);
	TRY(base->ready(base->ctx));
	return paging_new(&t->paging, t->program, t->plan.need.tokens, &o);
}

struct part_loss {
	struct trainer *trainer;
	double *nll;
};

static int part_loss(void *ctx, const struct batch *b, struct mat last,
		     struct mat *dlast)
{
	const struct part_loss *l = ctx;

	TRY(trainer_loss(l->trainer, b, last, dlast != NULL, l->nll));
	if (dlast)
		*dlast = mat_rows(l->trainer->loss.dlast, 0, b->n);
	return 0;
}

int trainer_paged_run(struct trainer *t, int train, double *nll)
{
	struct part_loss l = { t, nll };
	int err = paging_run(t->paging, t->pool, train,
			     (uint32_t)t->state.step, part_loss, &l);

	paging_clear(t->paging);
	return err;
}
