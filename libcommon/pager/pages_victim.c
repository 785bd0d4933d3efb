/*
 * pages_victim - which page makes room
 *
 * The plan says who is used in a step, so who is used last is found from the
 * step furthest away down, passing over steps that nobody in memory waits for:
 * there may be hundreds of thousands of pages, and a choice for each. Who is
 * not used again, which only a plan that ends has, is looked for among all.
 */
#include "pager/pages_parts.h"

/* Is the page one of those that the played step uses? */
static int used_now(const struct play *p, const struct played *page)
{
	return page->last == p->step + 1;
}

/* Must the page's bytes be kept? A later plan may read what this one does not
 * use. */
static int worth(const struct played *p)
{
	return p->changed && (p->next == NEVER || !(p->how & PAGE_NEW));
}

/* ---- steps that pages wait for ---- */

static void set(uint64_t *bits, size_t i)
{
	bits[i / 64] |= (uint64_t)1 << i % 64;
}

static void clear(uint64_t *bits, size_t i)
{
	bits[i / 64] &= ~((uint64_t)1 << i % 64);
}

void play_count(const struct pages *s, struct play *p, size_t page, int sign)
{
	const struct played *at = &p->page[page];

	if (at->next == NEVER) {
		p->never += (size_t)(sign * at->in);
		return;
	}
	set(p->may[0], (size_t)(at->next % s->nstep));
	if (!worth(at))
		set(p->may[1], (size_t)(at->next % s->nstep));
}

/* The last step up to t, and not before least, whose bit is set; NEVER. */
static uint64_t last_set(const uint64_t *bits, size_t nstep, uint64_t t,
			 uint64_t least)
{
	while (t >= least) {
		size_t i = (size_t)(t % nstep), bit = i % 64;
		uint64_t word = bits[i / 64] << (63 - bit);

		if (word) {
			t -= (uint64_t)__builtin_clzll(word);
			return t < least ? NEVER : t;
		}
		if (t < bit + 1)
			break;
		t -= bit + 1;
	}
	return NEVER;
}

/* ---- the choice ---- */

/* Does the page go before those that are used further away? */
static int goes_first(const struct play *p, const struct played *page)
{
	return p->step < p->until && page->next >= p->later && !worth(page);
}

static int is_better(const struct play *p, const struct played *page,
		     const struct played *best)
{
	int first = goes_first(p, page), best_first = goes_first(p, best);

	if (first != best_first)
		return first;
	return page->next > best->next ||
	       (page->next == best->next && worth(page) < worth(best));
}

static const struct played *best_of_all(const struct pages *s,
					const struct play *p)
{
	const struct played *best = NULL;

	for (size_t i = 0; i < s->npage; i++) {
		const struct played *page = &p->page[i];

		if (!page->in || used_now(p, page))
			continue;
		if (!best || is_better(p, page, best))
			best = page;
	}
	return best;
}

/* Of those that are used in step t next; without one, its bit goes, unless a
 * page is there that is used now. */
static const struct played *best_at(const struct pages *s, struct play *p,
				    uint64_t t, int clean)
{
	const struct played *best = NULL;
	size_t step = (size_t)(t % s->nstep);
	int held = 0;

	for (size_t i = s->start[step]; i < s->start[step + 1]; i++) {
		const struct played *page = &p->page[s->use[i].page];

		if (!page->in || page->next != t || (clean && worth(page)))
			continue;
		if (used_now(p, page))
			held = 1;
		else if (!best || worth(page) < worth(best) ||
			 (worth(page) == worth(best) && page < best))
			best = page;
	}
	if (!best && !held)
		clear(p->may[clean], step);
	return best;
}

static const struct played *furthest(const struct pages *s, struct play *p,
				     int clean, uint64_t least)
{
	const struct played *best = NULL;
	uint64_t t = p->step + s->nstep;

	while (!best && (t = last_set(p->may[clean], s->nstep, t, least)) !=
				NEVER) {
		best = best_at(s, p, t, clean);
		t--;
	}
	return best;
}

size_t play_victim(const struct pages *s, struct play *p, int *store)
{
	const struct played *best = NULL;
	uint64_t least = p->step + 1;

	if (p->never)
		best = best_of_all(s, p);
	if (!best && p->step < p->until)
		best = furthest(s, p, 1, p->later > least ? p->later : least);
	if (!best)
		best = furthest(s, p, 0, least);
	*store = worth(best);
	return (size_t)(best - p->page);
}
