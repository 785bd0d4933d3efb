/*
 * pages - a plan played ahead: whatever order loads and stores end in, what is
 * promised holds
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
		cmocka_unit_test(any_order_of_ends_will_do),
		cmocka_unit_test(too_small_is_refused),
		cmocka_unit_test(a_failed_load_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
