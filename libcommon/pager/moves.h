/*
 * moves - what one tier's plan asks of the tier below
 *
 * The schedule (pager/pages.h) of a tier is a function of its plan and its
 * capacity, not of how fast anything is. So it can be played before it happens,
 * and the loads and stores that it will make, in their order, are a plan for
 * the tier below: a load reads a page there, a store writes it anew.
 */
#ifndef PAGER_MOVES_H
#define PAGER_MOVES_H

#include "pager/pages.h"

struct moves {
	struct pages *pages;    /* the schedule that is played */
	size_t nstep;           /* of the plan */
	int repeat;
	uint64_t played;        /* steps */
	struct page_use *move;  /* PAGE_READ: a load; PAGE_NEW: a store */
	size_t n, room;
};

/* For a tier of this capacity with no page in it; arguments as of pages_new()
 * and pages_plan(). Free with moves_release(), after a failure too. E_NOMEM:
 * also if a step does not fit. */
int moves_init(struct moves *m, const size_t *bytes, size_t npage,
	       size_t capacity, const struct page_plan *plan) MUST_CHECK;
void moves_release(struct moves *m);

/* Plays until `until` steps in all have ended, or the plan has. Then move has
 * all that the tier can do before its step number `until` ends. E_NOMEM. */
int moves_play(struct moves *m, uint64_t until) MUST_CHECK;

/* Forgets the first n moves. */
void moves_forget(struct moves *m, size_t n);

#endif
