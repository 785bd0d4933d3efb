/*
 * pages - which page is in memory when: a declared plan, played ahead
 *
 * The order in which a step of training (or a pass over a model) reads its
 * pages is known. So the page to evict is that whose next use is furthest away
 * (Belady 1966), which no policy undercuts in loads; pages that need no store
 * go before it where that is found to cost no load (pages_trial.c). And because
 * the plan is known, its loads are known ahead of their time. The schedule
 * plays the plan with a capacity, as if pages were loaded on demand, and hands
 * out what that does (load this, drop that) as early as memory allows, in that
 * order; but where the play has room that is still taken (by what a step reads
 * last, or what is being stored), the page that goes next goes before. So
 * prefetching never costs a load more.
 *
 * A page is whole in memory or not at all. No threads and no I/O in here: who
 * drives it starts what pages_next() says, and reports ends.
 */
#ifndef PAGER_PAGES_H
#define PAGER_PAGES_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* What a step of the plan does with a page. */
enum {
	PAGE_READ  = 1,
	PAGE_WRITE = 2,         /* its bytes change: stored when evicted */
	PAGE_NEW   = 4,         /* written anew: what it held need not be read;
				 * implies PAGE_WRITE */
	PAGE_LAST  = 8,         /* nobody reads it afterwards: dropped unstored
				 * when the step ends */
};

struct page_use {
	uint32_t page;
	unsigned how;
};

/* Step i uses use[start[i]] to use[start[i + 1] - 1], each page once, all of
 * them in memory at the same time. */
struct page_plan {
	const struct page_use *use;
	const size_t *start;    /* (nstep + 1) */
	size_t nstep;
	int repeat;             /* step 0 follows the last */
};

enum page_move {
	MOVE_NONE,              /* nothing can be started now */
	MOVE_LOAD,              /* take memory, read the page; then _done() */
	MOVE_NEW,               /* take memory: done at once */
	MOVE_STORE,             /* write the page; then _done(), which makes a
				 * MOVE_DROP of it */
	MOVE_DROP,              /* give the memory back: done at once */
};

struct pages;

/* bytes (npage) are the pages' sizes; no page is in memory. E_NOMEM. */
int pages_new(struct pages **s, const size_t *bytes, size_t npage,
		 size_t capacity) MUST_CHECK;
void pages_free(struct pages *s); /* NULL is fine */

/*
 * From its step 0 on, the plan holds; it is copied. What is in memory stays
 * there. Only while pages_idle(). E_NOMEM: a step needs more than the
 * capacity, and says how much; the plan before holds on.
 */
int pages_plan(struct pages *s, const struct page_plan *p) MUST_CHECK;

/* Nothing is being loaded or stored, and no step is open. */
int pages_idle(const struct pages *s);

/* Starts nothing more until the next pages_begin() or _plan(): what is
 * under way ends, and then pages_idle() holds. */
void pages_pause(struct pages *s);

/* The most that a step needs: bytes. */
size_t pages_least(const struct pages *s, const struct page_plan *p);

/* The next thing to do. Memory is given back also while paused. */
enum page_move pages_next(struct pages *s, size_t *page);

/* The load or store of a page has ended; err: its exit status, 0 for well.
 * After the first that failed nothing is started any more, under no plan; a
 * page that could not be loaded is dropped, one that could not be stored stays
 * in memory. */
void pages_done(struct pages *s, size_t page, int err);

/* Opens the plan's next step; its pages are there when pages_ready(). A plan
 * that does not repeat has no step after its last: E_BUG. */
int pages_begin(struct pages *s) MUST_CHECK;

/* 1: they are; 0: not yet; a larger code: one cannot be read or another not be
 * stored, *page says which. */
int pages_ready(const struct pages *s, size_t *page);

/* Also of a step that is not ready, when a run is given up: the plan is over
 * then, and so is what the step was to write or to read last. */
void pages_end(struct pages *s);

/* For tests, and for who looks on. */
size_t pages_used(const struct pages *s); /* bytes in memory, or taken
						 * for what is on its way */
int pages_has(const struct pages *s, size_t page); /* whole, in memory */
int pages_pinned(const struct pages *s, size_t page);
uint64_t pages_loads(const struct pages *s);

/* Counted in steps since pages_new(), of all plans. */
struct page_time {
	uint64_t now;           /* of them have ended */
	uint64_t next;          /* that uses the page; UINT64_MAX: none is
				 * known, and now says nothing */
};

struct page_time pages_time(const struct pages *s, size_t page);

#endif
