/* pages_plan - a plan, copied, and its uses by page */
#include "pager/pages_parts.h"

#include "base/size.h"

#include <stdlib.h>
#include <string.h>

static size_t step_bytes(const struct pages *s, const struct page_plan *p,
			 size_t step)
{
	size_t sum = 0;

	for (size_t i = p->start[step]; i < p->start[step + 1]; i++)
		sum += s->page[p->use[i].page].bytes;
	return sum;
}

size_t pages_least(const struct pages *s, const struct page_plan *p)
{
	size_t most = 0;

	for (size_t i = 0; i < p->nstep; i++)
		most = size_max(most, step_bytes(s, p, i));
	return most;
}

/* The uses by page, in order of steps. */
static void index_uses(struct pages *s)
{
	size_t sum = 0;

	for (size_t i = 0; i < s->npage; i++)
		s->page[i].nuse = 0;
	for (size_t i = 0; i < s->start[s->nstep]; i++)
		s->page[s->use[i].page].nuse++;
	for (size_t i = 0; i < s->npage; i++) {
		s->page[i].first = sum;
		sum += s->page[i].nuse;
		s->page[i].nuse = 0;
	}
	for (size_t step = 0; step < s->nstep; step++)
		for (size_t i = s->start[step]; i < s->start[step + 1]; i++) {
			struct page *p = &s->page[s->use[i].page];

			s->at[p->first + p->nuse++] = (struct at){
				step, s->use[i].how,
			};
		}
}

int pages_take_plan(struct pages *s, const struct page_plan *p)
{
	size_t n = p->start[p->nstep];
	struct page_use *use = malloc((n + 1) * sizeof(*use));
	size_t *start = malloc((p->nstep + 1) * sizeof(*start));
	struct at *at = malloc((n + 1) * sizeof(*at));

	int room = 1;

	for (size_t i = 0; i < 3; i++)
		room &= !play_room(play_of(s, i), size_max(p->nstep,
							   s->nstep));
	if (!use || !start || !at || !room) {
		free(use);
		free(start);
		free(at);
		return err_set(E_NOMEM, "out of memory");
	}
	free(s->use);
	free(s->start);
	free(s->at);
	s->use = use;
	s->start = start;
	s->at = at;
	if (n)
		memcpy(use, p->use, n * sizeof(*use));
	memcpy(start, p->start, (p->nstep + 1) * sizeof(*start));
	s->nstep = p->nstep;
	s->repeat = p->repeat;
	index_uses(s);
	return 0;
}
