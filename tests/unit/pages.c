/*
 * pages - a plan played ahead, against an optimum by brute force, and by
 * simulation: whatever order loads and stores end in, what is promised holds
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

/* ---- the least number of loads, by trying all ---- */

static int count_bits(unsigned set)
{
	return __builtin_popcount(set);
}

static unsigned set_of(const struct made *m, size_t step)
{
	unsigned set = 0;

	for (size_t i = m->start[step]; i < m->start[step + 1]; i++)
		set |= 1u << m->use[i].page;
	return set;
}

/* best[set]: loads so far, with exactly these pages in memory. */
static size_t optimum(const struct made *m)
{
	static size_t best[1 << 8], next[1 << 8];
	size_t sets = (size_t)1 << m->npage, least = SIZE_MAX;

	memset(best, 0xff, sizeof(best));
	best[0] = 0;
	for (size_t step = 0; step < m->plan.nstep; step++) {
		unsigned need = set_of(m, step);

		memset(next, 0xff, sizeof(next));
		for (unsigned s = 0; s < sets; s++) {
			unsigned all = s | need;

			if (best[s] == SIZE_MAX)
				continue;
			for (unsigned to = all;; to = (to - 1) & all) {
				size_t cost = best[s] + (size_t)count_bits(
						need & ~s);

				if ((to & need) == need &&
				    (size_t)count_bits(to) <= m->capacity &&
				    cost < next[to])
					next[to] = cost;
				if (!to)
					break;
			}
		}
		memcpy(best, next, sizeof(best));
	}
	for (unsigned s = 0; s < sets; s++)
		least = size_min(least, best[s]);
	return least;
}

/* ---- tests ---- */

static void loads_are_the_optimum(void **state)
{
	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		struct dice dice = dice_of(i);
		struct driver d;
		struct made m;
		size_t most;

		make(&m, &dice, 2 + roll(&dice, 6), 1 + roll(&dice, 3),
		     1 + roll(&dice, 14));
		most = 0;
		for (size_t k = 0; k < m.plan.nstep; k++)
			most = size_max(most, m.start[k + 1] - m.start[k]);
		m.capacity = most + roll(&dice, m.npage - most + 1);
		driver_init(&d, &m, &dice);
		run_steps(&d, m.plan.nstep);
		if (d.loads != optimum(&m))
			fail_msg("plan %zu: %zu loads, the optimum is %zu", i,
				 d.loads, optimum(&m));
		pages_free(d.pages);
	}
}

/* Down through the layers and up again, one page each. */
static size_t loads_of_orders(size_t n, size_t capacity, int up)
{
	struct dice dice = dice_of(n);
	static struct page_use use[400];
	static size_t start[401], bytes[200];
	struct page_plan plan = { use, start, up ? 2 * n : n, 1 };
	struct made m = { .npage = n, .capacity = capacity, .plan = plan };
	struct driver d = { .m = &m, .dice = &dice };
	uint64_t before;
	size_t page;

	for (size_t i = 0; i < n; i++)
		bytes[i] = 1;
	for (size_t i = 0; i < plan.nstep; i++) {
		use[i] = (struct page_use){
			(uint32_t)(i < n ? i : 2 * n - 1 - i), PAGE_READ };
		start[i + 1] = i + 1;
	}
	assert_int_equal(pages_new(&d.pages, bytes, n, capacity), 0);
	assert_int_equal(pages_plan(d.pages, &plan), 0);
	before = 0;
	for (size_t i = 0; i < 5 * plan.nstep; i++) {
		enum page_move how;

		if (i == 2 * plan.nstep)
			before = pages_loads(d.pages);
		assert_int_equal(pages_begin(d.pages), 0);
		while ((how = pages_next(d.pages, &page)) != MOVE_NONE)
			if (how == MOVE_LOAD)
				pages_done(d.pages, page, 0);
		assert_int_equal(pages_ready(d.pages, &page), 1);
		pages_end(d.pages);
	}
	before = pages_loads(d.pages) - before;
	pages_free(d.pages);
	return (size_t)(before / 3);
}

/* In the long run: the play looks a round ahead, so loads of a round may be
 * made in the one before. */
static void two_orders_meet_their_bounds(void **state)
{
	(void)state;
	assert_in_range(loads_of_orders(80, 38, 1), 2 * 42, 2 * 42 + 1);
	assert_in_range(loads_of_orders(80, 70, 1), 2 * 10, 2 * 10 + 1);
	assert_in_range(loads_of_orders(80, 38, 0), 42, 43);
	assert_in_range(loads_of_orders(80, 70, 0), 10, 11);
	assert_int_equal(loads_of_orders(80, 80, 1), 0);
}

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

static void simulate(size_t i)
{
	struct dice dice = dice_of(i);
	struct driver d;
	struct made m;

	make(&m, &dice, 1 + roll(&dice, MOST), 1 + roll(&dice, 5),
	     6 + roll(&dice, STEPS - 6));
	for (size_t k = 0; k < m.plan.nstep; k++)
		if (m.start[k + 1] == m.start[k])
			return;
	make_ways(&m, &dice);
	driver_init(&d, &m, &dice);
	run_steps(&d, m.plan.nstep * (1 + roll(&dice, 3)));
	come_to_rest(&d);
	if (roll(&dice, 2)) { /* the plan anew: what was written is there */
		assert_int_equal(pages_plan(d.pages, &m.plan), 0);
		run_steps(&d, m.plan.nstep);
		come_to_rest(&d);
	}
	pages_free(d.pages);
}

static void any_order_of_ends_will_do(void **state)
{
	const char *n = getenv("WEFT_SCHEDULES"); /* 100000 in check-long */
	size_t count = n ? strtoul(n, NULL, 10) : 20000;

	(void)state;
	for (size_t i = 0; i < count; i++)
		simulate(i);
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
	pages_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_are_the_optimum),
		cmocka_unit_test(two_orders_meet_their_bounds),
		cmocka_unit_test(any_order_of_ends_will_do),
		cmocka_unit_test(too_small_is_refused),
		cmocka_unit_test(a_failed_load_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
