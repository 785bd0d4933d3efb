/*
 * paged_driver - plans by dice, and a driver whose loads and stores end in
 * random order, well or not, and which checks what is promised at each move
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
	uint64_t version[MOST];         /* what it should hold; 0: nobody
					 * reads it */
	size_t used;
	size_t loads, stores;
	uint64_t step;          /* of the plan, in hand or next */
	int ready;              /* the open step has its pages */
	size_t fail;            /* one end in so many fails; 0: none */
	size_t failed;          /* the first page that did, and how */
	int err;
};

static inline void check_room(const struct driver *d)
{
	assert_true(d->used <= d->m->capacity);
	assert_int_equal(d->used, pages_used(d->pages));
}

/* How the page is used next; 0: it is not. */
static inline unsigned next_use_of(const struct driver *d, size_t page)
{
	size_t n = d->m->plan.nstep;

	for (size_t i = 0; i < n && (d->m->plan.repeat || d->step + i < n);
	     i++) {
		size_t step = (size_t)((d->step + i) % n);

		for (size_t k = d->m->start[step]; k < d->m->start[step + 1];
		     k++)
			if (d->m->use[k].page == page)
				return d->m->use[k].how;
	}
	return 0;
}

/* Are the page's bytes on the disk, or wanted by nobody? */
static inline int is_kept(const struct driver *d, size_t page)
{
	return !d->version[page] || d->disk[page] == d->version[page] ||
	       next_use_of(d, page) & PAGE_NEW;
}

static inline void start_move(struct driver *d, enum page_move how, size_t page)
{
	enum held *h = &d->held[page];

	assert_true(how == MOVE_DROP || !d->err);
	if (how == MOVE_LOAD || how == MOVE_NEW) {
		assert_int_equal(*h, GONE);
		*h = how == MOVE_LOAD ? COMING : WHOLE;
		d->used += d->m->bytes[page];
		d->memory[page] = UINT64_MAX;
		d->loads += how == MOVE_LOAD;
	} else {
		assert_false(d->ready && pages_pinned(d->pages, page));
		assert_int_equal(*h, WHOLE);
		assert_true(how == MOVE_STORE || is_kept(d, page));
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

/* A load that fails leaves anything in memory, a store what was on disk. */
static inline void end_move(struct driver *d, size_t page, int err)
{
	if (d->held[page] == COMING)
		d->memory[page] = err ? UINT64_MAX : d->disk[page];
	else if (!err)
		d->disk[page] = d->memory[page];
	d->held[page] = WHOLE;
	if (err && !d->err) {
		d->err = err;
		d->failed = page;
	}
	pages_done(d->pages, page, err);
}

/* One of the moves under way ends; 0: there is none. */
static inline int end_one(struct driver *d)
{
	size_t at[MOST], n = 0;
	int fails;

	for (size_t i = 0; i < d->m->npage; i++)
		if (d->held[i] == COMING || d->held[i] == GOING)
			at[n++] = i;
	if (!n)
		return 0;
	fails = d->fail && !roll(d->dice, d->fail);
	end_move(d, at[roll(d->dice, n)], fails ? E_IO : 0);
	return 1;
}

/* Ends the step; one that was not computed is given up, and with it what it
 * would have written. */
static inline void close_step(struct driver *d, int computed)
{
	size_t step = (size_t)(d->step % d->m->plan.nstep);

	for (size_t i = d->m->start[step];
	     !computed && i < d->m->start[step + 1]; i++)
		if (d->m->use[i].how & (PAGE_NEW | PAGE_LAST))
			d->version[d->m->use[i].page] = 0;
	d->ready = 0;
	d->step++;
	pages_end(d->pages);
}

/* 0, or the error that the pages tell, which is the first that there was. */
static inline int open_step(struct driver *d)
{
	size_t page;
	int ready;

	assert_int_equal(pages_begin(d->pages), 0);
	start_moves(d);
	while (!(ready = pages_ready(d->pages, &page))) {
		assert_true(end_one(d)); /* else it waits for ever */
		start_moves(d);
	}
	assert_int_equal(ready, d->err ? d->err : 1);
	d->ready = !d->err;
	if (d->err)
		assert_int_equal(page, d->failed);
	return d->err;
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

/* So many steps, or up to one whose pages cannot be there: E_IO. */
static inline int run_steps(struct driver *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (open_step(d)) {
			close_step(d, 0);
			return d->err;
		}
		while (roll(d->dice, 3) && end_one(d))
			start_moves(d);
		use_step(d, (size_t)(d->step % d->m->plan.nstep));
		close_step(d, 1);
		if (roll(d->dice, 2))
			start_moves(d);
	}
	return 0;
}

/* A step is begun, and given up at any point. */
static inline void die(struct driver *d)
{
	size_t page;

	assert_int_equal(pages_begin(d->pages), 0);
	start_moves(d);
	while (roll(d->dice, 4) && end_one(d))
		start_moves(d);
	d->ready = pages_ready(d->pages, &page) == 1;
	assert_false(d->ready && d->err);
	close_step(d, 0);
}

/* Ends all that is under way; then every page is where it should be. */
static inline void come_to_rest(struct driver *d)
{
	pages_pause(d->pages);
	do
		start_moves(d);
	while (end_one(d));
	assert_true(pages_idle(d->pages));
	for (size_t i = 0; i < d->m->npage; i++)
		assert_true(is_kept(d, i) ||
			    (d->held[i] == WHOLE &&
			     d->memory[i] == d->version[i]));
}

/* The plan from its step 0. */
static inline void driver_plan(struct driver *d)
{
	assert_int_equal(pages_plan(d->pages, &d->m->plan), 0);
	d->step = 0;
}

static inline void driver_init(struct driver *d, const struct made *m,
			struct dice *dice)
{
	memset(d, 0, sizeof(*d));
	d->m = m;
	d->dice = dice;
	assert_int_equal(pages_new(&d->pages, m->bytes, m->npage,
				   m->capacity), 0);
	driver_plan(d);
}

static inline struct dice dice_of(size_t i)
{
	struct dice d = { rng_at(rng_of(7, "pages"), (uint32_t)i, 0), 0 };

	return d;
}

#endif
