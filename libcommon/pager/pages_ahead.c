/* pages_ahead - a plan, played */
#include "pager/pages_parts.h"

#include <stdlib.h>
#include <string.h>

/* The page's next use after step t of all steps, and how. */
static uint64_t next_use(const struct pages *s, const struct page *p,
			 uint64_t t, unsigned *how)
{
	size_t lo = 0, hi = p->nuse, here = (size_t)(t % s->nstep);
	const struct at *at = s->at + p->first;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (at[mid].step > here)
			hi = mid;
		else
			lo = mid + 1;
	}
	if (lo == p->nuse && (!s->repeat || !p->nuse))
		return NEVER;
	*how = at[lo % p->nuse].how;
	return t - here + at[lo % p->nuse].step +
	       (lo == p->nuse ? s->nstep : 0);
}

void play_put_out(const struct pages *s, struct play *p, size_t page,
		  int store)
{
	play_count(s, p, page, -1);
	p->page[page].in = p->page[page].changed = 0;
	p->in_use -= s->page[page].bytes;
	if (store)
		p->written += s->page[page].bytes;
}

void play_bring_in(const struct pages *s, struct play *p)
{
	size_t bytes = s->page[p->want].bytes;

	p->page[p->want].in = 1;
	play_count(s, p, p->want, 1);
	p->in_use += bytes;
	if (!(p->want_how & PAGE_NEW))
		p->read += bytes;
	p->want = NO_PAGE;
}

int play_init(struct play *p, size_t npage)
{
	p->page = calloc(npage + 1, sizeof(*p->page));
	return !p->page;
}

int play_room(struct play *p, size_t nstep)
{
	for (int i = 0; i < 2; i++) {
		uint64_t *may = realloc(p->may[i], play_may_bytes(nstep));

		if (!may)
			return 1;
		p->may[i] = may;
	}
	return 0;
}

void play_release(struct play *p)
{
	free(p->page);
	free(p->may[0]);
	free(p->may[1]);
}

void play_begin(const struct pages *s, struct play *p)
{
	p->step = p->until = 0;
	p->next = 0;
	p->want = NO_PAGE;
	p->in_use = 0;
	p->never = 0;
	for (int i = 0; s->nstep && i < 2; i++)
		memset(p->may[i], 0, play_may_bytes(s->nstep));
	for (size_t i = 0; i < s->npage; i++) {
		const struct page *page = &s->page[i];
		struct played *to = &p->page[i];

		to->last = 0;
		to->next = page->nuse ? s->at[page->first].step : NEVER;
		to->how = page->nuse ? s->at[page->first].how : 0;
		play_count(s, p, i, 1);
		if (to->in)
			p->in_use += page->bytes;
	}
}

/* Marks this step's uses, so that none of them is given up for another, and
 * what they leave behind. */
static void enter_step(const struct pages *s, struct play *p)
{
	size_t step = (size_t)(p->step % s->nstep);

	for (size_t i = s->start[step]; i < s->start[step + 1]; i++) {
		struct played *page = &p->page[s->use[i].page];

		page->last = p->step + 1;
		play_count(s, p, s->use[i].page, -1);
		page->next = next_use(s, &s->page[s->use[i].page], p->step,
				      &page->how);
		page->changed |= (s->use[i].how & (PAGE_WRITE | PAGE_NEW)) !=
				 0;
		play_count(s, p, s->use[i].page, 1);
	}
}

static void leave_step(const struct pages *s, struct play *p)
{
	size_t step = (size_t)(p->step % s->nstep);

	for (size_t i = s->start[step]; i < s->start[step + 1]; i++)
		if (s->use[i].how & PAGE_LAST)
			play_put_out(s, p, s->use[i].page, 0);
	p->step++;
	p->next = 0;
}

int play_find_want(const struct pages *s, struct play *p, uint64_t until)
{
	while (p->want == NO_PAGE && p->step < until) {
		size_t step = (size_t)(p->step % s->nstep);
		size_t i = s->start[step] + p->next;
		struct played *page;

		if (!p->next)
			enter_step(s, p);
		if (i == s->start[step + 1]) {
			leave_step(s, p);
			continue;
		}
		p->next++;
		page = &p->page[s->use[i].page];
		if (!page->in) {
			p->want = s->use[i].page;
			p->want_how = s->use[i].how;
		}
	}
	return p->want != NO_PAGE;
}

int play_is_full(const struct pages *s, const struct play *p)
{
	return p->in_use + s->page[p->want].bytes > s->capacity;
}

struct page_time pages_time(const struct pages *s, size_t page)
{
	unsigned how;
	uint64_t next = s->nstep ? next_use(s, &s->page[page], s->done, &how) :
				   NEVER;

	return (struct page_time){
		s->before + s->done,
		next == NEVER ? NEVER : s->before + next,
	};
}
