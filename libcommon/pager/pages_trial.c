/*
 * pages_trial - who makes room, where furthest next use would have to store
 *
 * The page that is used furthest away may differ from what is stored, so that
 * giving it up costs a store and a load, while clean ones that are used a
 * little earlier cost a load only: what a pass carries down to the turn, and
 * weights, which it reads down and up. To give up those instead may cost loads
 * further on. So it is tried: of two plays, one goes on by furthest next use,
 * and the other lets clean pages go first until the page in question is used.
 * They are played until the same pages are in memory, with the same of them
 * changed; from there on they are one. If the second has not read more by then,
 * and has moved less, it is what happens.
 *
 * For pages of one size it follows that loads stay the least there can be.
 * Furthest next use needs the fewest from any state, so as many as before from
 * each state of the second play, which loses none; the next trial begins from
 * one of those. Nor are there more stores than by furthest next use. Pages of
 * several sizes do not fit into each other's places: what the second play has
 * made room for beyond what was needed, it may read more.
 *
 * A plan of many parts has a trial for each of thousands of stores, each as
 * long as the plan. So a pass through the plan may play TRIALS steps in trials;
 * after that it goes on by furthest next use.
 */
#include "pager/pages_parts.h"

#include <string.h>

static void copy_play(const struct pages *s, struct play *to,
		      const struct play *from)
{
	struct play old = *to;

	*to = *from;
	to->page = old.page;
	memcpy(to->page, from->page, s->npage * sizeof(*to->page));
	for (int i = 0; i < 2; i++) {
		to->may[i] = old.may[i];
		memcpy(to->may[i], from->may[i], play_may_bytes(s->nstep));
	}
	to->read = to->written = 0;
}

static void make_room(const struct pages *s, struct play *p)
{
	while (play_is_full(s, p)) {
		int store;
		size_t page = play_victim(s, p, &store);

		play_put_out(s, p, page, store);
	}
	play_bring_in(s, p);
}

static void play_until(const struct pages *s, struct play *p, uint64_t until)
{
	while (play_find_want(s, p, until))
		make_room(s, p);
}

/* Do they go on alike? Both stand at the same step's begin. */
static int is_same(const struct pages *s, const struct play *a,
		   const struct play *b)
{
	if (a->in_use != b->in_use)
		return 0;
	for (size_t i = 0; i < s->npage; i++)
		if (a->page[i].in != b->page[i].in ||
		    (a->page[i].in && a->page[i].changed !=
					      b->page[i].changed))
			return 0;
	return 1;
}

/* Is it better to have these go first? */
static int is_worth_it(struct pages *s, uint64_t until, uint64_t later)
{
	struct play *a = &s->trial[0], *b = &s->trial[1];
	uint64_t end = s->repeat ? s->ahead.step + 2 * s->nstep : s->nstep;
	size_t excess;

	copy_play(s, a, &s->ahead);
	copy_play(s, b, &s->ahead);
	b->until = until;
	b->later = later;
	make_room(s, b);
	excess = s->capacity - b->in_use;
	for (uint64_t step = s->ahead.step + 1; step <= end; step++) {
		s->trials--;
		play_until(s, a, step);
		play_until(s, b, step);
		if (step >= until && is_same(s, a, b))
			return b->read <= a->read + excess &&
			       b->read + b->written < a->read + a->written;
	}
	return 0;
}

size_t pages_goes_early(struct pages *s)
{
	struct play *p = &s->trial[0];
	uint64_t end = s->repeat ? s->ahead.step + s->nstep : s->nstep;
	int store = 0;
	size_t page;

	copy_play(s, p, &s->ahead);
	do {
		play_bring_in(s, p);
		if (!play_find_want(s, p, end))
			return NO_PAGE;
	} while (!play_is_full(s, p));
	page = play_victim(s, p, &store);
	return store || p->page[page].last > s->done ? NO_PAGE : page;
}

void pages_try(struct pages *s, size_t out)
{
	uint64_t now = s->ahead.step, far = s->ahead.page[out].next;

	if (far > now + s->nstep)
		far = now + s->nstep;
	for (uint64_t i = 0; i < 4 && s->trials > 0; i++) {
		uint64_t later = now + (far - now) * i / 4;

		if (!is_worth_it(s, far, later))
			continue;
		s->ahead.until = far;
		s->ahead.later = later;
		return;
	}
}
