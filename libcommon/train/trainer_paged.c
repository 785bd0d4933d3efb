/* trainer_paged - the base in pages: held, or brought in layer by layer */
#include "train/trainer.h"

#include "base/size.h"

/* ---- the plan ---- */

/* Bytes of the base that are in its pages. */
static uint64_t page_bytes(const struct trainer *t)
{
	const struct page_owner *o = program_base(t->program)->pages;
	uint64_t sum = 0;

	for (size_t i = 0; i < o->n; i++)
		sum += o->page[i].bytes;
	return sum;
}

/* What all parts of a step carry between visits. */
static uint64_t carried_bytes(const struct trainer *t)
{
	size_t most, floats = program_slots_cost(t->program, t->pool,
						 &t->plan.need, &most);

	return (uint64_t)((double)floats * sizeof(float) *
			  t->plan.tokens_per_step);
}

/* What the rest leaves is for pages: least, of two layers in a row, and more
 * bytes. */
static int fits(struct trainer *t, const struct train_limit *l, uint64_t more)
{
	struct train_plan *plan = &t->plan;
	const struct page_owner *base = program_base(t->program)->pages;
	struct paging_options o = { base->page, base->n, 0,
				    t->options.accumulate, &plan->most };
	uint64_t pages = plan->paged = page_bytes(t), *weights;
	uint64_t rest, left;

	trainer_cost(t);
	weights = &plan->bytes.by[BYTES_WEIGHTS];
	*weights -= pages < *weights ? pages : *weights;
	plan->bytes.by[BYTES_WORKSPACE] += paging_bytes(&o);
	rest = trainer_total(&plan->bytes);
	plan->least = paging_least(t->program, t->pool, &plan->need, &o);
	left = t->options.page_memory;
	if (!left && l->most > rest)
		left = l->most - rest;
	if (left < plan->least + more || left > l->most ||
	    rest > l->most - left) {
		*weights += plan->least; /* for the message */
		return 0;
	}
	pages += paging_spill_bytes(t->program, t->pool, &plan->need, &o);
	plan->capacity = (size_t)(left < pages ? left : pages);
	*weights += plan->capacity;
	return 1;
}

/* To compute a layer again takes longer than to read the weights that its
 * activations displace, so these are kept while they fit. */
static int fits_kept(struct trainer *t, const struct train_limit *l)
{
	struct program_need *need = &t->plan.need;
	size_t layers = program_layers(t->program);

	for (need->recompute = 0; need->recompute < layers; need->recompute++)
		if (fits(t, l, carried_bytes(t)))
			return 1;
	return fits(t, l, 0);
}

enum { GOOD_ROWS = 1024 };

/* In parts as large as there is room for; but no larger than is good for
 * speed, since pages want the memory. */
int trainer_fit_paged(struct trainer *t, const struct train_limit *l,
		      size_t least)
{
	struct program_need *need = &t->plan.need;
	size_t most = size_max(least, size_min(GOOD_ROWS,
					       t->plan.most.tokens));

	if (!program_base(t->program)->pages)
		return 0;
	need->visits = 1;
	need->tokens = most;
	for (size_t parts = 1; !fits_kept(t, l); parts++) {
		if (need->tokens == least)
			return 0;
		need->tokens = size_max(size_ceil(most, parts + 1), least);
	}
	return 1;
}

/* ---- the run ---- */

static int make_pager(struct trainer *t, const struct page_owner *base)
{
	struct paging_options o = {
		.base = base->page,
		.nbase = base->n,
		.capacity = t->plan.capacity,
		.batches = t->options.accumulate,
		.most = &t->plan.most,
	};

	TRY(base->ready(base->ctx));
	return paging_new(&t->paging, t->program, t->plan.need.tokens, &o);
}

int trainer_pages(struct trainer *t)
{
	const struct page_owner *base = program_base(t->program)->pages;

	if (!base)
		return 0;
	return t->plan.capacity ? make_pager(t, base) :
				  base->hold(base->ctx, t->pool);
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
