/*
 * pages_trial - who makes room, where furthest next use would have to store
 *
 * The page used furthest away may differ from what is stored, so that giving it
 * up costs a store and a load, while one that is used a little earlier and does
 * not differ would cost a load only. That choice may cost loads further on. So
 * both are tried: two plays make room for the page that is wanted, one by
 * furthest next use and the other with clean pages first, and both then go on
 * by furthest next use until the same pages are in memory, as clean; from there
 * on they are one. The second choice is made if it read no more until then, and
 * moved less.
 *
 * For pages of one size it follows that loads stay the least there can be:
 * after the choice, furthest next use would need as many as before it, and the
 * next choice is compared with that. Stores are never more than those of
 * furthest next use, by the same argument. Pages of several sizes do not fit
 * into each other's places; what one play has made room for beyond what was
 * needed, it may read more.
 */
#include "pager/pages_parts.h"

#include <string.h>

static void copy_play(const struct pages *s, struct play *to,
		      const struct play *from)
{
	struct played *page = to->page;

	*to = *from;
	to->page = page;
	memcpy(page, from->page, s->npage * sizeof(*page));
	to->read = to->written = 0;
}

static void make_room(const struct pages *s, struct play *p, int clean)
{
	while (play_is_full(s, p)) {
		int store = 0;
		size_t page = play_victim(s, p, clean, &store);

		play_put_out(s, p, page, store);
	}
	play_bring_in(s, p);
}

static void play_until(const struct pages *s, struct play *p, uint64_t until)
{
	while (play_find_want(s, p, until))
		make_room(s, p, 0);
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

int pages_spare(struct pages *s)
{
	struct play *a = &s->trial[0], *b = &s->trial[1];
	uint64_t end = s->repeat ? s->ahead.step + 2 * s->nstep : s->nstep;
	size_t excess;

	copy_play(s, a, &s->ahead);
	make_room(s, a, 0);
	if (!a->written)
		return 0;
	copy_play(s, b, &s->ahead);
	make_room(s, b, 1);
	excess = s->capacity - b->in_use;
	for (uint64_t until = a->step + 1; until <= end; until++) {
		play_until(s, a, until);
		play_until(s, b, until);
		if (is_same(s, a, b))
			return b->read <= a->read + excess &&
			       b->read + b->written < a->read + a->written;
	}
	return 0;
}
