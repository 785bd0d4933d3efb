/* What the device's moves are for the host: its plan, and what that leaves
 * behind where it ends in the middle. */
#include "pager/tier_parts.h"

#include "base/size.h"

#include <stdlib.h>

/* How many of the moves (n > 0) make a step of it: copies under way at a time,
 * so that the next ones' pages have room too. */
static size_t batch(const struct tier *t, const struct page_use *move,
		    size_t n)
{
	size_t sum = 0, i;

	for (i = 0; i < n && i < TIER_BATCH; i++) {
		sum += t->bytes[move[i].page];
		if (i && sum > t->options.capacity / 2)
			return i;
		for (size_t k = 0; k < i; k++)
			if (move[k].page == move[i].page)
				return i;
	}
	return i;
}

int tier_plan_host(struct tier *t)
{
	struct page_plan plan = { 0 };
	size_t *start;

	moves_forget(&t->moves, t->taken);
	t->taken = 0;
	tier_lock(t);
	t->planned = t->done;
	tier_unlock(t);
	TRY(moves_play(&t->moves, t->planned + 2 * t->nstep));
	start = realloc(t->host_start, (t->moves.n + 1) * sizeof(*start));
	if (!start)
		return err_set(E_NOMEM, "out of memory");
	t->host_start = start;
	start[0] = 0;
	for (t->host_steps = 0; start[t->host_steps] < t->moves.n;
	     t->host_steps++) {
		size_t at = start[t->host_steps];

		start[t->host_steps + 1] = at +
			batch(t, t->moves.move + at, t->moves.n - at);
	}
	plan.use = t->moves.move;
	plan.start = start;
	plan.nstep = t->host_steps;
	return plan.nstep ? pager_plan(t->options.host, &plan) : 0;
}

/* ---- when it ends in the middle ---- */

int tier_is_void(const struct tier *t, size_t page)
{
	for (size_t i = t->taken; i < t->moves.n; i++)
		if (t->moves.move[i].page == page)
			return t->moves.move[i].how == PAGE_NEW &&
			       !t->page[page].saved;
	return 0;
}

/* The host keeps what it has for a page that is to be read; it has nothing any
 * more for one that was to come from the device, if the device has not changed
 * it yet, too. */
static int save(struct tier *t, const struct page_use *use)
{
	struct tier_page *there = &t->page[use->page];
	const struct pager_page *p = &t->options.pages[use->page];
	const struct pager_backing *b = p->backing;

	if (use->how != PAGE_READ) {
		tier_lock(t); /* a step may end just now */
		there->changed |= there->region &&
				  pages_has(t->pages, use->page);
		tier_unlock(t);
	}
	if (use->how != PAGE_READ || !tier_is_void(t, use->page))
		return 0;
	for (size_t k = 0; k < p->npiece; k++)
		TRY(b->store(b->ctx, p->id, k, p->at));
	there->saved = 1;
	return 0;
}

int tier_save(struct tier *t, const struct page_use *use, size_t n)
{
	for (size_t i = 0; i < n; i++)
		TRY(save(t, &use[i]));
	return 0;
}
