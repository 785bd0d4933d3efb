/*
 * pages - a plan played ahead: whatever order loads and stores end in, which of
 * them fail, and wherever the run is given up, what is promised holds
 *
 * What comes in random order is covered by dice in these places:
 *   here        loads and stores that end or fail, runs that end anywhere;
 *               100,000 schedules in check-long. At each move: no more in
 *               memory than the budget, nothing that a step has is taken, no
 *               changed page is dropped unless stored, a step has the bytes
 *               that were written last, and whatever was begun ends
 *   pager.c     the same with threads: an error at each piece of a load or
 *               store, a run given up anywhere
 *   tier.c, tier_faults.c, device_emu.c
 *               copies to and from a device that end in random order and fail,
 *               devices that die, above a host whose loads may fail
 *   tests/cli/agent.bats
 *               messages: nonsense, and deaths of the agent and its clients
 * and every read and write of a file fails in turn in page_faults.c and
 * paged_faults.c.
 */
#include "pager/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "paged_driver.h"

/* ---- tests ---- */

/* Sizes, writes, pages that are made and dropped. A page is read only after it
 * was written, where it is new in this plan. */
static void make_ways(struct made *m, struct dice *d)
{
	int alive[MOST] = { 0 };
	size_t most = 0;

	for (size_t i = 0; i < m->npage; i++)
		m->bytes[i] = 1 + roll(d, 9);
	for (size_t k = 0; k < m->plan.nstep; k++) {
		size_t sum = 0;

		for (size_t i = m->start[k]; i < m->start[k + 1]; i++) {
			struct page_use *u = &m->use[i];

			sum += m->bytes[u->page];
			if (u->page % 3 == 0)
				continue; /* only read */
			if (u->page % 3 == 1) {
				u->how = PAGE_READ | PAGE_WRITE;
				continue;
			}
			u->how = alive[u->page] ? PAGE_READ : PAGE_NEW;
			alive[u->page] = 1;
			if (!roll(d, 3) || m->plan.nstep - k < 6) {
				u->how |= PAGE_LAST;
				alive[u->page] = 0;
			}
		}
		most = size_max(most, sum);
	}
	m->capacity = most + roll(d, 30);
	m->plan.repeat = 1;
}

/* A plan by dice; 0: one with an empty step. */
static int make_plan(struct made *m, struct dice *dice)
{
	make(m, dice, 1 + roll(dice, MOST), 1 + roll(dice, 5),
	     6 + roll(dice, STEPS - 6));
	for (size_t k = 0; k < m->plan.nstep; k++)
		if (m->start[k + 1] == m->start[k])
			return 0;
	make_ways(m, dice);
	return 1;
}

static void simulate(size_t i)
{
	struct dice dice = dice_of(i);
	struct driver d;
	struct made m;

	if (!make_plan(&m, &dice))
		return;
	driver_init(&d, &m, &dice);
	assert_int_equal(run_steps(&d, m.plan.nstep * (1 + roll(&dice, 3))),
			 0);
	come_to_rest(&d);
	if (roll(&dice, 2)) { /* the plan anew: what was written is there */
		driver_plan(&d);
		assert_int_equal(run_steps(&d, m.plan.nstep), 0);
		come_to_rest(&d);
	}
	pages_free(d.pages);
}

/* An error is the end, under a new plan too. */
static void stay_failed(struct driver *d)
{
	driver_plan(d);
	assert_int_equal(run_steps(d, 1), E_IO);
	come_to_rest(d);
}

struct seen {
	size_t loads, stores, well;     /* that failed; runs that did not */
};

/* Runs that are given up anywhere, with ends that fail; after one without, the
 * plan begins anew. */
static void simulate_faults(size_t i, struct seen *seen)
{
	struct dice dice = dice_of(i);
	struct driver d;
	struct made m;
	size_t rounds = 1 + roll(&dice, 3);

	if (!make_plan(&m, &dice))
		return;
	driver_init(&d, &m, &dice);
	d.fail = roll(&dice, 2) ? 1 + roll(&dice, 60) : 0;
	for (size_t k = 0; k < rounds && !d.err; k++) {
		if (k)
			driver_plan(&d);
		if (!run_steps(&d, roll(&dice, 2 * m.plan.nstep)) &&
		    roll(&dice, 2))
			die(&d);
		come_to_rest(&d);
	}
	if (d.err)
		stay_failed(&d);
	seen->well += !d.err;
	seen->loads += d.err && d.held[d.failed] == GONE;
	seen->stores += d.err && d.held[d.failed] == WHOLE;
	pages_free(d.pages);
}

/* 100000 in check-long */
static size_t schedules(void)
{
	const char *n = getenv("WEFT_SCHEDULES");

	return n ? strtoul(n, NULL, 10) : 20000;
}

static void any_order_of_ends_will_do(void **state)
{
	size_t count = schedules();

	(void)state;
	for (size_t i = 0; i < count; i++)
		simulate(i);
}

static void any_end_may_fail_and_any_run_die(void **state)
{
	size_t count = schedules();
	struct seen seen = { 0 };

	(void)state;
	for (size_t i = 0; i < count; i++)
		simulate_faults(i, &seen);
	assert_true(seen.loads > count / 20);
	assert_true(seen.stores > count / 100);
	assert_true(seen.well > count / 20);
}

/* While a step is computed, the pages of those after it are on their way, as
 * many as there is room for. */
static void pages_are_begun_before_their_step(void **state)
{
	static const size_t bytes[] = { 1, 1, 1, 1, 1 };
	static const struct page_use use[] = {
		{ 0, PAGE_READ }, { 1, PAGE_READ }, { 2, PAGE_READ },
		{ 3, PAGE_READ }, { 4, PAGE_READ },
	};
	static const size_t start[] = { 0, 1, 2, 3, 4, 5 };
	struct page_plan plan = { use, start, 5, 0 };
	struct pages *p;
	size_t page;

	(void)state;
	assert_int_equal(pages_new(&p, bytes, 5, 3), 0);
	assert_int_equal(pages_plan(p, &plan), 0);
	assert_int_equal(pages_begin(p), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pages_next(p, &page), MOVE_LOAD);
		assert_int_equal(page, i);
	}
	assert_int_equal(pages_next(p, &page), MOVE_NONE);
	pages_done(p, 0, 0);
	assert_int_equal(pages_ready(p, &page), 1);
	assert_int_equal(pages_next(p, &page), MOVE_NONE); /* it is in use */
	pages_end(p);
	assert_int_equal(pages_next(p, &page), MOVE_DROP);
	assert_int_equal(page, 0);
	assert_int_equal(pages_next(p, &page), MOVE_LOAD);
	assert_int_equal(page, 3);
	for (size_t i = 1; i < 4; i++)
		pages_done(p, i, 0);
	pages_free(p);
}

/* ---- a pass up and down, with what it carries ---- */

enum { LAYERS = 12, PASS = 2 * LAYERS, EACH = 3 };

/* A layer reads two pages; its third is new on the way up, and read for the
 * last time on the way down. */
static void make_pass(struct page_use *use, size_t *start)
{
	for (unsigned i = 0; i < PASS; i++) {
		int down = i >= LAYERS;
		unsigned first = EACH * (down ? PASS - 1 - i : i);
		struct page_use *to = use + (size_t)EACH * i;

		start[i] = (size_t)EACH * i;
		to[0] = (struct page_use){ first, PAGE_READ };
		to[1] = (struct page_use){ first + 1, PAGE_READ };
		to[2] = (struct page_use){
			first + 2, down ? PAGE_READ | PAGE_LAST : PAGE_NEW
		};
	}
	start[PASS] = (size_t)EACH * PASS;
}

static void end_all_moves(struct pages *p)
{
	enum page_move how;
	size_t page;

	while ((how = pages_next(p, &page)) != MOVE_NONE)
		if (how == MOVE_LOAD || how == MOVE_STORE)
			pages_done(p, page, 0);
}

/* Of the steps after this one, those whose pages are there without a gap. */
static size_t steps_ahead(const struct pages *p, const struct page_use *use,
			  size_t step)
{
	for (size_t n = 0; n < PASS; n++) {
		size_t at = (step + 1 + n) % PASS * EACH;

		if (!pages_has(p, use[at].page) ||
		    !pages_has(p, use[at + 1].page))
			return n;
	}
	return PASS;
}

/* What a step carries goes when the step ends: who waits for that room has
 * nothing ahead. It costs no load (89 either way) that others make room before.
 * At a pass's end what the next begins with fills the memory. */
static void down_a_pass_pages_are_ahead_as_well(void **state)
{
	struct page_use use[EACH * PASS];
	size_t start[PASS + 1], bytes[EACH * LAYERS], page;
	struct page_plan plan = { use, start, PASS, 1 };
	struct pages *p;

	(void)state;
	make_pass(use, start);
	for (size_t i = 0; i < (size_t)EACH * LAYERS; i++)
		bytes[i] = 1;
	assert_int_equal(pages_new(&p, bytes, (size_t)EACH * LAYERS,
				   LAYERS + 10), 0);
	assert_int_equal(pages_plan(p, &plan), 0);
	for (size_t i = 0; i < (size_t)4 * PASS; i++) {
		assert_int_equal(pages_begin(p), 0);
		end_all_moves(p);
		assert_int_equal(pages_ready(p, &page), 1);
		assert_true(steps_ahead(p, use, i % PASS) >= 3 ||
			    i % PASS >= PASS - 6);
		pages_end(p);
	}
	assert_int_equal(pages_loads(p), 89);
	pages_free(p);
}

static void too_small_is_refused(void **state)
{
	static const size_t bytes[] = { 3 << 20, 4 << 20 };
	static const struct page_use use[] = { { 0, PAGE_READ },
					       { 1, PAGE_READ } };
	static const size_t start[] = { 0, 2 };
	struct page_plan plan = { use, start, 1, 0 };
	struct pages *p;

	(void)state;
	assert_int_equal(pages_new(&p, bytes, 2, 6 << 20), 0);
	assert_int_equal(pages_least(p, &plan), 7 << 20);
	assert_int_equal(pages_plan(p, &plan), E_NOMEM);
	assert_string_equal(err_text(), "pages for a step take 8 MiB, there "
			    "are 6");
	pages_free(p);
}

static void a_failed_load_is_told(void **state)
{
	static const size_t bytes[] = { 1 };
	static const struct page_use use[] = { { 0, PAGE_READ } };
	static const size_t start[] = { 0, 1 };
	struct page_plan plan = { use, start, 1, 0 };
	struct pages *p;
	size_t page = 9;

	(void)state;
	assert_int_equal(pages_new(&p, bytes, 1, 1), 0);
	assert_int_equal(pages_plan(p, &plan), 0);
	assert_int_equal(pages_begin(p), 0);
	assert_int_equal(pages_next(p, &page), MOVE_LOAD);
	assert_int_equal(pages_ready(p, &page), 0);
	pages_done(p, 0, E_IO);
	assert_int_equal(pages_ready(p, &page), E_IO);
	assert_int_equal(page, 0);
	assert_int_equal(pages_next(p, &page), MOVE_DROP);
	assert_int_equal(pages_has(p, 0) + pages_used(p), 0);
	pages_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_of_ends_will_do),
		cmocka_unit_test(any_end_may_fail_and_any_run_die),
		cmocka_unit_test(pages_are_begun_before_their_step),
		cmocka_unit_test(down_a_pass_pages_are_ahead_as_well),
		cmocka_unit_test(too_small_is_refused),
		cmocka_unit_test(a_failed_load_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
