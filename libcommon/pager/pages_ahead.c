/* pages_ahead - the plan, played in virtual time */
#include "pager/pages_parts.h"

#include "base/size.h"

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

/* Is the page one of those that the played step uses? */
static int used_now(const struct pages *s, const struct page *p)
{
	return p->last == s->ahead + 1;
}

/* Must the page's bytes be kept? A later plan may read what this one does not
 * use. */
static int worth(const struct page *p, uint64_t next, unsigned how)
{
	return p->changed && (next == NEVER || !(how & PAGE_NEW));
}

size_t pages_victim(const struct pages *s, int *store)
{
	size_t best = NO_PAGE;
	uint64_t far = 0;

	for (size_t i = 0; i < s->npage; i++) {
		const struct page *p = &s->page[i];
		unsigned how = 0;
		uint64_t next;
		int keep;

		if (!p->in || used_now(s, p))
			continue;
		next = next_use(s, p, s->ahead, &how);
		keep = worth(p, next, how);
		if (best == NO_PAGE || next > far ||
		    (next == far && keep < *store)) {
			best = i;
			far = next;
			*store = keep;
		}
	}
	return best;
}

/* Marks this step's uses, so that none of them is given up for another. */
static void enter_step(struct pages *s)
{
	size_t step = (size_t)(s->ahead % s->nstep);

	for (size_t i = s->start[step]; i < s->start[step + 1]; i++)
		s->page[s->use[i].page].last = s->ahead + 1;
}

static void leave_step(struct pages *s)
{
	size_t step = (size_t)(s->ahead % s->nstep);

	for (size_t i = s->start[step]; i < s->start[step + 1]; i++) {
		struct page *p = &s->page[s->use[i].page];

		if (!(s->use[i].how & PAGE_LAST))
			continue;
		p->in = p->changed = 0;
		s->in_use -= p->bytes;
	}
	s->ahead++;
	s->next = 0;
}

/* How far the play may be ahead of what has been done. */
static int may_go_on(const struct pages *s)
{
	if (!s->nstep || s->paused)
		return 0;
	return s->repeat ? s->ahead < s->done + s->nstep :
			   s->ahead < s->nstep;
}

int pages_find_want(struct pages *s)
{
	while (s->want == NO_PAGE && may_go_on(s)) {
		size_t step = (size_t)(s->ahead % s->nstep);
		size_t i = s->start[step] + s->next;
		struct page *p;

		if (!s->next)
			enter_step(s);
		if (i == s->start[step + 1]) {
			leave_step(s);
			continue;
		}
		s->next++;
		p = &s->page[s->use[i].page];
		if (!p->in) {
			s->want = s->use[i].page;
			s->want_how = s->use[i].how;
		}
		p->changed |= (s->use[i].how & (PAGE_WRITE | PAGE_NEW)) != 0;
	}
	return s->want != NO_PAGE;
}

uint64_t pages_until(const struct pages *s, size_t page)
{
	unsigned how;
	uint64_t next = s->nstep ? next_use(s, &s->page[page], s->done, &how) :
				   NEVER;

	return next == NEVER ? NEVER : next - s->done;
}
