/*
 * paged_driver - plans by dice, and a driver whose loads and stores end in
 * random order and which checks what is promised at each move
 *
 * Include it after <cmocka.h>.
 */
#ifndef UNIT_PAGED_DRIVER_H
#define UNIT_PAGED_DRIVER_H

#include "pager/pages.h"

#include <string.h>

#include "dice.h"
#include "base/size.h"

enum { MOST = 16, STEPS = 24 };

/* ---- random plans ---- */

struct made {
	size_t bytes[MOST], npage, capacity;
	struct page_use use[STEPS * MOST];
	size_t start[STEPS + 1];
	struct page_plan plan;
};

static inline void make_step(struct made *m, struct dice *d, size_t most,
			     size_t step)
{
	size_t n = 1 + roll(d, most), at = m->start[step];

	for (size_t i = 0; i < m->npage && n; i++)
		if (roll(d, m->npage - i) < n) {
			m->use[at++] = (struct page_use){ (uint32_t)i,
							  PAGE_READ };
			n--;
		}
	m->start[step + 1] = at;
}

/* Steps of at most so many pages. */
static inline void make(struct made *m, struct dice *d, size_t pages,
			size_t most, size_t steps)
{
	memset(m, 0, sizeof(*m));
	m->npage = pages;
	for (size_t i = 0; i < pages; i++)
		m->bytes[i] = 1;
	for (size_t i = 0; i < steps; i++)
		make_step(m, d, most, i);
	m->plan = (struct page_plan){ m->use, m->start, steps, 0 };
}

/* ---- a driver whose loads and stores end in random order ---- */

enum held { GONE, COMING, WHOLE, GOING };

struct driver {
	struct pages *pages;
	const struct made *m;
	struct dice *dice;
	enum held held[MOST];
	uint64_t memory[MOST], disk[MOST]; /* what a page holds: a version */
	uint64_t version[MOST];         /* what it should hold */
	size_t used;
	size_t loads, stores;
	int ready;              /* the open step has its pages */
};

static inline void check_room(const struct driver *d)
{
	assert_true(d->used <= d->m->capacity);
	assert_int_equal(d->used, pages_used(d->pages));
}

static inline void start_move(struct driver *d, enum page_move how, size_t page)
{
	enum held *h = &d->held[page];

	if (how == MOVE_LOAD || how == MOVE_NEW) {
		assert_int_equal(*h, GONE);
		*h = how == MOVE_LOAD ? COMING : WHOLE;
		d->used += d->m->bytes[page];
		d->memory[page] = UINT64_MAX;
		d->loads += how == MOVE_LOAD;
	} else {
		assert_false(d->ready && pages_pinned(d->pages, page));
		assert_int_equal(*h, WHOLE);
		*h = how == MOVE_STORE ? GOING : GONE;
		if (how == MOVE_DROP)
			d->used -= d->m->bytes[page];
		d->stores += how == MOVE_STORE;
	}
	check_room(d);
}

static inline void start_moves(struct driver *d)
{
	enum page_move how;
	size_t page;

	while ((how = pages_next(d->pages, &page)) != MOVE_NONE)
		start_move(d, how, page);
}

/* One of the moves under way ends; 0: there is none. */
static inline int end_one(struct driver *d)
{
	size_t at[MOST], n = 0, page;

	for (size_t i = 0; i < d->m->npage; i++)
		if (d->held[i] == COMING || d->held[i] == GOING)
			at[n++] = i;
	if (!n)
		return 0;
	page = at[roll(d->dice, n)];
	if (d->held[page] == COMING)
		d->memory[page] = d->disk[page];
	else
		d->disk[page] = d->memory[page];
	d->held[page] = WHOLE;
	pages_done(d->pages, page, 0);
	return 1;
}

static inline void open_step(struct driver *d)
{
	size_t page;

	assert_int_equal(pages_begin(d->pages), 0);
	start_moves(d);
	while (!pages_ready(d->pages, &page)) {
		assert_true(end_one(d)); /* else it waits for ever */
		start_moves(d);
	}
	d->ready = 1;
}

/* Reads and writes the pages of a step, as the plan says. */
static inline void use_step(struct driver *d, size_t step)
{
	for (size_t i = d->m->start[step]; i < d->m->start[step + 1]; i++) {
		size_t page = d->m->use[i].page;
		unsigned how = d->m->use[i].how;

		assert_int_equal(d->held[page], WHOLE);
		assert_true(pages_pinned(d->pages, page));
		if (how & PAGE_READ && d->version[page])
			assert_int_equal(d->memory[page], d->version[page]);
		if (how & (PAGE_WRITE | PAGE_NEW))
			d->memory[page] = ++d->version[page];
		if (how & PAGE_LAST)
			d->version[page] = 0;
	}
}

static inline void run_steps(struct driver *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		open_step(d);
		while (roll(d->dice, 3) && end_one(d))
			start_moves(d);
		use_step(d, i % d->m->plan.nstep);
		d->ready = 0;
		pages_end(d->pages);
		if (roll(d->dice, 2))
			start_moves(d);
	}
}

static inline void come_to_rest(struct driver *d)
{
	pages_pause(d->pages);
	do
		start_moves(d);
	while (end_one(d));
	assert_true(pages_idle(d->pages));
}

static inline void driver_init(struct driver *d, const struct made *m,
			struct dice *dice)
{
	memset(d, 0, sizeof(*d));
	d->m = m;
	d->dice = dice;
	assert_int_equal(pages_new(&d->pages, m->bytes, m->npage,
				   m->capacity), 0);
	assert_int_equal(pages_plan(d->pages, &m->plan), 0);
}

static inline struct dice dice_of(size_t i)
{
	struct dice d = { rng_at(rng_of(7, "pages"), (uint32_t)i, 0), 0 };

	return d;
}

#endif
