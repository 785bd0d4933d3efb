/* trainer_paged - the base in pages: held, or brought in layer by layer */
#include "train/trainer.h"

#include "base/size.h"

#include <stdlib.h>

/* ---- the plan ---- */

/* What all parts of a step carry between visits. */
static uint64_t carried_bytes(const struct trainer *t)
{
	struct program_slots_cost c = program_slots_cost(t->program, t->pool,
							 &t->plan.need);

	return (uint64_t)((double)c.all * sizeof(float) *
			  t->plan.tokens_per_step);
}

/* What the process has beside its plan, libraries, stacks, stays within the
 * budget too, where pages are not as few as they must be. over: bytes of the
 * budget that nothing takes. */
static void leave_room(struct trainer *t, uint64_t over, uint64_t needed)
{
	struct train_plan *plan = &t->plan;
	uint64_t beside = trainer_beside(t) + PAGER_THREADS;
	uint64_t cut = beside > over ? beside - over : 0;

	if (cut > plan->capacity - needed)
		cut = plan->capacity - needed;
	plan->capacity -= (size_t)cut;
	plan->bytes.by[BYTES_WEIGHTS] -= cut;
}

/* What the rest leaves is for pages: least, of two layers in a row, and more
 * bytes. */
static int fits(struct trainer *t, const struct train_limit *l, uint64_t more)
{
	struct train_plan *plan = &t->plan;
	const struct page_owner *base = program_base(t->program)->pages;
	struct paging_options o = {
		base->page, base->n, 0,
		plan->page_optimizer ? t->state_bytes : NULL,
		t->options.accumulate, &plan->most,
	};
	uint64_t pages = pager_page_bytes(base->page, base->n), *weights;
	uint64_t rest, left;

	plan->carried = carried_bytes(t);
	plan->paged = pages;
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
	if (!t->options.page_memory && plan->capacity > plan->least + more)
		leave_room(t, left - plan->capacity, plan->least + more);
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
static int fits_cut(struct trainer *t, const struct train_limit *l,
		    size_t least)
{
	size_t good = size_min(GOOD_ROWS, t->plan.most.tokens);

	return trainer_fits_cut(t, l, size_max(least, good), least, fits_kept);
}

/* Which segment each adapter is in, and what its states take there. */
static int group_states(struct trainer *t)
{
	size_t n = program_segments(t->program);

	t->segment = calloc(t->set->n + 1, sizeof(*t->segment));
	t->state_at = calloc(n, sizeof(*t->state_at));
	t->state_bytes = calloc(n, sizeof(*t->state_bytes));
	if (!t->segment || !t->state_at || !t->state_bytes)
		return 1;
	for (size_t i = 0; i < t->set->n; i++)
		t->segment[i] = program_module_segment(
			t->program, t->set->at[i].module);
	optim_group_bytes(t->options.optim, &t->options.move, t->set,
			  t->segment, t->state_bytes);
	return 0;
}

/* States are written as often as they are read, so weights go first. */
int trainer_fit_paged(struct trainer *t, const struct train_limit *l,
		      size_t least)
{
	int *page = &t->plan.page_optimizer;

	if (!program_base(t->program)->pages || group_states(t))
		return 0;
	t->plan.need.visits = 1;
	for (*page = t->options.page_optimizer; *page < 2; ++*page)
		if (fits_cut(t, l, least))
			return 1;
	*page = 1;
	return 0;
}

/* ---- the run ---- */

static int make_pager(struct trainer *t, const struct page_owner *base)
{
	struct paging_options o = {
		.base = base->page,
		.nbase = base->n,
		.capacity = t->plan.capacity,
		.state = t->plan.page_optimizer ? t->state_bytes : NULL,
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

int trainer_optimizer(struct trainer *t)
{
	struct optim_groups g = { t->segment, program_segments(t->program),
				  t->state_at, paging_use_state, t->paging };

	if (!t->plan.page_optimizer)
		return optim_init(&t->optim, t->options.optim,
				  &t->options.move, t->set);
	for (size_t i = 0; i < g.n; i++)
		t->state_at[i] = paging_state(t->paging, i);
	return optim_init_groups(&t->optim, t->options.optim,
				 &t->options.move, t->set, &g);
}

/* Without clipping a gradient is final when its layer is through; but a
 * penalty, and what is gathered, comes at the end. */
int trainer_moves_together(const struct trainer *t)
{
	for (size_t i = 0; i < t->set->n; i++)
		if (t->set->at[i].kind->penalty ||
		    t->set->at[i].kind->gathered)
			return 0;
	return t->options.max_grad_norm == 0;
}

struct in_hand {
	struct trainer *trainer;
	double *nll;
};

static int part_loss(void *ctx, const struct batch *b, struct mat last,
		     struct mat *dlast)
{
	const struct in_hand *l = ctx;

	TRY(trainer_loss(l->trainer, b, last, dlast != NULL, l->nll));
	if (dlast)
		*dlast = mat_rows(l->trainer->loss.dlast, 0, b->n);
	return 0;
}

static void update(void *ctx, size_t segment)
{
	const struct in_hand *l = ctx;
	struct trainer *t = l->trainer;

	optim_step_group(&t->optim, t->pool, t->last.lr, t->scale, segment);
}

static struct paging_calls calls_of(const struct trainer *t, void *ctx)
{
	return (struct paging_calls){
		ctx, part_loss, update, trainer_moves_together(t),
	};
}

int trainer_paged_run(struct trainer *t, int train, double *nll)
{
	struct in_hand in_hand = { t, nll };
	struct paging_calls calls = calls_of(t, &in_hand);
	int err;

	if (train && t->plan.page_optimizer && calls.together) {
		t->scale = t->last.labels ? (float)(1 / (double)t->last.labels)
					  : 0;
		optim_begin_step(&t->optim);
	}
	err = paging_run(t->paging, t->pool, train, (uint32_t)t->state.step,
			 &calls);
	paging_clear(t->paging);
	return err;
}

int trainer_paged_move(struct trainer *t)
{
	struct in_hand in_hand = { t, NULL };
	struct paging_calls calls = calls_of(t, &in_hand);

	optim_begin_step(&t->optim);
	return paging_update(t->paging, &calls);
}
