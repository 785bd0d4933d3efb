/*
 * Two times run through the plan: `done` counts the steps that have ended, and
 * `ahead` is a play of it, in virtual time: things are there as they will be
 * when all moves that were handed out have been made. A page is chosen for
 * eviction in virtual time only, so the choice does not depend on how fast a
 * disk is; it is made when the last step before `ahead` that reads the page
 * has ended.
 */
#include "pager/pages_parts.h"

#include "base/size.h"

#include <stdlib.h>
#include <string.h>

static int make(struct pages *s, size_t npage)
{
	int there = 1;

	s->page = calloc(npage + 1, sizeof(*s->page));
	for (size_t i = 0; i < 3; i++)
		there &= !play_init(play_of(s, i), npage);
	return !s->page || !there;
}

int pages_new(struct pages **to, const size_t *bytes, size_t npage,
		 size_t capacity)
{
	struct pages *s = calloc(1, sizeof(*s));

	*to = s;
	if (!s || make(s, npage)) {
		pages_free(s);
		*to = NULL;
		return err_set(E_NOMEM, "out of memory");
	}
	s->npage = npage;
	s->capacity = capacity;
	s->ahead.want = s->out = s->failed = NO_PAGE;
	for (size_t i = 0; i < npage; i++)
		s->page[i].bytes = bytes[i];
	return 0;
}

void pages_free(struct pages *s)
{
	if (!s)
		return;
	free(s->page);
	for (size_t i = 0; i < 3; i++)
		play_release(play_of(s, i));
	free(s->use);
	free(s->start);
	free(s->at);
	free(s);
}

/* ---- the plan ---- */

/* The play begins with what is. */
static void begin_ahead(struct pages *s)
{
	s->before += s->done;
	s->done = 0;
	s->out = NO_PAGE;
	s->tried = 0;
	s->trials = TRIALS;
	s->trial_pass = 0;
	memset(s->none_early, 0, sizeof(s->none_early));
	for (size_t i = 0; i < s->npage; i++) {
		struct played *p = &s->ahead.page[i];

		p->in = s->page[i].state == HERE;
		p->changed = p->in && s->page[i].dirty;
	}
	play_begin(s, &s->ahead);
}

int pages_plan(struct pages *s, const struct page_plan *p)
{
	size_t least = pages_least(s, p);

	if (!pages_idle(s))
		return err_set(E_BUG, "a plan while pages are under way");
	if (least > s->capacity)
		return err_set(E_NOMEM, "pages for a step take %zu MiB, there "
			       "are %zu", (least >> 20) + 1,
			       s->capacity >> 20);
	TRY(pages_take_plan(s, p));
	begin_ahead(s);
	s->paused = 0;
	return 0;
}

int pages_idle(const struct pages *s)
{
	return !s->moving && !s->open;
}

void pages_pause(struct pages *s)
{
	s->paused = 1;
}

/* ---- moves ---- */

/* In virtual time, once for each page that goes. */
static void choose_out(struct pages *s)
{
	if (s->out != NO_PAGE)
		return;
	s->out = play_victim(s, &s->ahead, &s->out_store);
	if (!s->out_store || s->tried || s->ahead.step < s->ahead.until)
		return;
	s->tried = 1;
	if (s->ahead.step / s->nstep != s->trial_pass) {
		s->trial_pass = s->ahead.step / s->nstep;
		s->trials = TRIALS;
	}
	pages_try(s, s->out);
	s->out = play_victim(s, &s->ahead, &s->out_store);
}

static void let_go(struct pages *s, struct page *p)
{
	p->state = ABSENT;
	p->dirty = 0;
	s->used -= p->bytes;
}

static enum page_move give_up(struct pages *s, size_t *page)
{
	struct page *p;

	choose_out(s);
	/* Whoever reads it before the played step is not through yet. */
	if (s->ahead.page[s->out].last > s->done)
		return MOVE_NONE;
	*page = s->out;
	p = &s->page[s->out];
	play_put_out(s, &s->ahead, s->out, s->out_store);
	s->out = NO_PAGE;
	if (s->out_store) {
		p->state = STORING;
		s->moving++;
		return MOVE_STORE;
	}
	let_go(s, p);
	return MOVE_DROP;
}

/* There is room in the play alone: what a step has used last, or what is being
 * stored, is still there. What makes room next makes it now. */
static enum page_move give_up_early(struct pages *s, size_t *page)
{
	const uint64_t now[] = { s->ahead.step, s->ahead.next, s->done + 1 };

	if (!memcmp(s->none_early, now, sizeof(now)))
		return MOVE_NONE;
	*page = pages_goes_early(s);
	if (*page == NO_PAGE) {
		memcpy(s->none_early, now, sizeof(now));
		return MOVE_NONE;
	}
	play_put_out(s, &s->ahead, *page, 0);
	let_go(s, &s->page[*page]);
	return MOVE_DROP;
}

static enum page_move bring_in(struct pages *s, size_t *page)
{
	struct page *p = &s->page[s->ahead.want];
	int new = (s->ahead.want_how & PAGE_NEW) != 0;

	if (p->state != ABSENT)
		return MOVE_NONE;
	if (s->used + p->bytes > s->capacity)
		return give_up_early(s, page);
	*page = s->ahead.want;
	play_bring_in(s, &s->ahead);
	s->tried = 0;
	s->used += p->bytes;
	p->err = 0;
	if (new) {
		p->state = HERE;
		return MOVE_NEW;
	}
	p->state = LOADING;
	s->moving++;
	s->loads++;
	return MOVE_LOAD;
}

/* A page whose bytes nobody needs, or that has been stored. One that is still
 * on its way, since its step failed, waits for that. */
static int find_drop(struct pages *s, size_t *page)
{
	for (size_t i = 0; i < s->npage; i++) {
		struct page *p = &s->page[i];

		if (!p->drop || (p->state != HERE && p->state != STORED))
			continue;
		*page = i;
		p->drop = 0;
		let_go(s, p);
		return 1;
	}
	return 0;
}

/* How far the play may be ahead of what has been done. */
static uint64_t horizon(const struct pages *s)
{
	if (!s->nstep || s->paused)
		return 0;
	return s->repeat ? s->done + s->nstep : s->nstep;
}

enum page_move pages_next(struct pages *s, size_t *page)
{
	if (find_drop(s, page))
		return MOVE_DROP;
	if (s->paused || s->failed != NO_PAGE ||
	    !play_find_want(s, &s->ahead, horizon(s)))
		return MOVE_NONE;
	if (play_is_full(s, &s->ahead))
		return give_up(s, page);
	return bring_in(s, page);
}

void pages_done(struct pages *s, size_t page, int err)
{
	struct page *p = &s->page[page];

	s->moving--;
	p->err = err;
	if (err && s->failed == NO_PAGE)
		s->failed = page;
	if (p->state == LOADING) {
		p->state = HERE;
		p->dirty = 0;
		p->drop |= err != 0;
	} else {
		p->state = err ? HERE : STORED;
		p->drop |= !err;
	}
}

/* ---- steps ---- */

int pages_begin(struct pages *s)
{
	if (s->open || !s->nstep || (!s->repeat && s->done == s->nstep))
		return err_set(E_BUG, "a step that the plan does not have");
	s->open = 1;
	s->paused = 0;
	return 0;
}

/* A store that failed has taken nothing from the page's bytes, but the room is
 * not there that was counted on: no step will be ready. */
int pages_ready(const struct pages *s, size_t *page)
{
	size_t step = (size_t)(s->done % s->nstep);

	if (s->failed != NO_PAGE) {
		*page = s->failed;
		return s->page[s->failed].err;
	}
	if (s->ahead.step <= s->done)
		return 0; /* it may still have something dropped */
	for (size_t i = s->start[step]; i < s->start[step + 1]; i++) {
		const struct page *p = &s->page[s->use[i].page];

		if (p->state != HERE || p->drop)
			return 0;
	}
	return 1;
}

void pages_end(struct pages *s)
{
	size_t step = (size_t)(s->done % s->nstep);

	for (size_t i = s->start[step]; i < s->start[step + 1]; i++) {
		struct page *p = &s->page[s->use[i].page];
		unsigned how = s->use[i].how;

		p->dirty |= (how & (PAGE_WRITE | PAGE_NEW)) != 0;
		p->drop |= how & PAGE_LAST && p->state != ABSENT;
	}
	s->open = 0;
	s->done++;
}

/* ---- looking on ---- */

size_t pages_used(const struct pages *s)
{
	return s->used;
}

int pages_has(const struct pages *s, size_t page)
{
	enum state state = s->page[page].state;

	return state != ABSENT && state != LOADING;
}

int pages_pinned(const struct pages *s, size_t page)
{
	size_t step = s->nstep ? (size_t)(s->done % s->nstep) : 0;

	for (size_t i = s->open ? s->start[step] : 0;
	     s->open && i < s->start[step + 1]; i++)
		if (s->use[i].page == page)
			return 1;
	return 0;
}

uint64_t pages_loads(const struct pages *s)
{
	return s->loads;
}
