#include "pager/moves.h"

#include "base/size.h"

#include <stdlib.h>
#include <string.h>

int moves_init(struct moves *m, const size_t *bytes, size_t npage,
	       size_t capacity, const struct page_plan *plan)
{
	memset(m, 0, sizeof(*m));
	m->nstep = plan->nstep;
	m->repeat = plan->repeat;
	TRY(pages_new(&m->pages, bytes, npage, capacity));
	return pages_plan(m->pages, plan);
}

void moves_release(struct moves *m)
{
	pages_free(m->pages);
	free(m->move);
	memset(m, 0, sizeof(*m));
}

static int add(struct moves *m, size_t page, unsigned how)
{
	if (m->n == m->room) {
		size_t room = m->room ? 2 * m->room : 64;
		struct page_use *more = realloc(m->move,
						room * sizeof(*more));

		if (!more)
			return err_set(E_NOMEM, "out of memory");
		m->move = more;
		m->room = room;
	}
	m->move[m->n++] = (struct page_use){ (uint32_t)page, how };
	return 0;
}

/* All moves that the schedule makes before a step ends. */
static int drain(struct moves *m)
{
	enum page_move how;
	size_t page;

	while ((how = pages_next(m->pages, &page)) != MOVE_NONE) {
		if (how != MOVE_LOAD && how != MOVE_STORE)
			continue;
		TRY(add(m, page, how == MOVE_LOAD ? PAGE_READ : PAGE_NEW));
		pages_done(m->pages, page, 0);
	}
	return 0;
}

int moves_play(struct moves *m, uint64_t until)
{
	if (!m->repeat && until > m->nstep)
		until = m->nstep;
	TRY(drain(m));
	for (; m->played < until; m->played++) {
		size_t page;

		TRY(pages_begin(m->pages));
		if (pages_ready(m->pages, &page) != 1)
			return err_set(E_BUG, "a step that is never ready");
		pages_end(m->pages);
		TRY(drain(m));
	}
	return 0;
}

void moves_forget(struct moves *m, size_t n)
{
	if (!n)
		return;
	m->n -= n;
	memmove(m->move, m->move + n, m->n * sizeof(*m->move));
}
