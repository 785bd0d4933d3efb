/*
 * pages - a plan played ahead, against an optimum by brute force, and by
 * simulation: whatever order loads and stores end in, what is promised holds
 */
#include "pager/pages.h"

#include <limits.h>
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

/* Pages of a step that are used in one of these ways. */
static unsigned set_of(const struct made *m, size_t step, unsigned how)
{
	unsigned set = 0;

	for (size_t i = m->start[step]; i < m->start[step + 1]; i++)
		if (m->use[i].how & how)
			set |= 1u << m->use[i].page;
	return set;
}

/* Costs so far; a load counts LOAD, a store 1. */
enum { LOAD = 1000 };

struct costs {
	unsigned at[1 << 8][1 << 8]; /* pages in memory, of them changed */
};

/* From one state through a step to all those that it can leave behind. */
static void try_all(struct costs *next, const struct made *m, size_t step,
		    unsigned in, unsigned changed, unsigned cost)
{
	unsigned need = set_of(m, step, PAGE_READ), all = in | need;
	unsigned written = set_of(m, step, PAGE_WRITE);

	cost += LOAD * (unsigned)count_bits(need & ~in);
	for (unsigned to = all;; to = (to - 1) & all) {
		unsigned *c = &next->at[to][(changed & to) | written];
		unsigned sum = cost + (unsigned)count_bits(changed & ~to);

		if ((to & need) == need &&
		    (size_t)count_bits(to) <= m->capacity && sum < *c)
			*c = sum;
		if (!to)
			break;
	}
}

/* Loads, and then stores, at the least. */
static unsigned optimum(const struct made *m)
{
	static struct costs best, next;
	unsigned sets = 1u << m->npage, least = UINT_MAX;

	memset(&best, 0xff, sizeof(best));
	best.at[0][0] = 0;
	for (size_t step = 0; step < m->plan.nstep; step++) {
		memset(&next, 0xff, sizeof(next));
		for (unsigned s = 0; s < sets; s++)
			for (unsigned c = 0; c <= s; c++)
				if (best.at[s][c] != UINT_MAX)
					try_all(&next, m, step, s, c,
						best.at[s][c]);
		memcpy(&best, &next, sizeof(best));
	}
	for (unsigned s = 0; s < sets; s++)
		for (unsigned c = 0; c <= s; c++)
			least = best.at[s][c] < least ? best.at[s][c] : least;
	return least;
}

/* ---- furthest next use, and nothing else ---- */

static size_t next_of(const struct made *m, size_t step, size_t page)
{
	while (++step < m->plan.nstep)
		if (set_of(m, step, PAGE_READ) >> page & 1)
			break;
	return step;
}

static unsigned furthest(const struct made *m)
{
	unsigned in = 0, changed = 0, cost = 0;

	for (size_t step = 0; step < m->plan.nstep; step++) {
		unsigned need = set_of(m, step, PAGE_READ);

		cost += LOAD * (unsigned)count_bits(need & ~in);
		in |= need;
		while ((size_t)count_bits(in) > m->capacity) {
			size_t best = SIZE_MAX, far = 0;

			for (size_t p = 0; p < m->npage; p++) {
				/* Of two, that which needs no store. */
				size_t next = 2 * next_of(m, step, p) +
					      !(changed >> p & 1);

				if ((in & ~need) >> p & 1 && next > far) {
					best = p;
					far = next;
				}
			}
			cost += changed >> best & 1;
			in &= ~(1u << best);
			changed &= in;
		}
		changed |= set_of(m, step, PAGE_WRITE);
	}
	return cost;
}

/* ---- tests ---- */

static void some_are_written(struct made *m, struct dice *d)
{
	for (size_t i = 0; i < m->start[m->plan.nstep]; i++)
		if (!roll(d, 3))
			m->use[i].how |= PAGE_WRITE;
}

static void choose_capacity(struct made *m, struct dice *d)
{
	size_t most = 0;

	for (size_t k = 0; k < m->plan.nstep; k++)
		most = size_max(most, m->start[k + 1] - m->start[k]);
	m->capacity = most + roll(d, m->npage - most + 1);
}

/* Of a plan that begins with nothing in memory. */
static unsigned cost_of(const struct made *m, struct dice *dice)
{
	struct driver d;

	driver_init(&d, m, dice);
	run_steps(&d, m->plan.nstep);
	pages_free(d.pages);
	return (unsigned)(LOAD * d.loads + d.stores);
}

static void told(unsigned ours, unsigned least, unsigned belady)
{
	print_message("%u stores, %u at the least, %u by furthest use\n",
		      ours, least, belady);
	assert_true(ours < belady);
}

static void loads_are_the_optimum(void **state)
{
	unsigned ours = 0, all = 0, belady = 0;

	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		struct dice dice = dice_of(i);
		struct made m;
		unsigned cost, least;

		make(&m, &dice, 2 + roll(&dice, 6), 1 + roll(&dice, 3),
		     1 + roll(&dice, 14));
		choose_capacity(&m, &dice);
		some_are_written(&m, &dice);
		cost = cost_of(&m, &dice);
		least = optimum(&m);
		ours += cost % LOAD;
		all += least % LOAD;
		belady += furthest(&m) % LOAD;
		if (cost / LOAD != least / LOAD || cost > furthest(&m))
			fail_msg("plan %zu: %u loads, %u stores; the optimum "
				 "is %u and %u", i, cost / LOAD, cost % LOAD,
				 least / LOAD, least % LOAD);
	}
	told(ours, all, belady);
}

/* As training does: down through the layers and up again, round after round. A
 * layer has a page that is read and one that is written on the way down. */
static void make_rounds(struct made *m, struct dice *d)
{
	size_t layers = 2 + roll(d, 2), n = 0;

	make(m, d, 2 * layers, 2, 6 * layers);
	for (size_t k = 0; k < m->plan.nstep; k++) {
		size_t at = k % (2 * layers), down = at < layers;
		size_t layer = down ? at : 2 * layers - 1 - at;

		m->use[n++] = (struct page_use){ (uint32_t)layer, PAGE_READ };
		m->use[n++] = (struct page_use){
			(uint32_t)(layers + layer),
			down ? PAGE_READ | PAGE_WRITE : PAGE_READ,
		};
		m->start[k + 1] = n;
	}
	m->capacity = 2 + roll(d, 2 * layers - 2);
}

/* The same over shapes of plans that repeat, where there is a choice. */
static void stores_are_fewer(void **state)
{
	unsigned ours = 0, least = 0, belady = 0;

	(void)state;
	for (size_t i = 0; i < 60; i++) {
		struct dice dice = dice_of(i);
		struct made m;
		unsigned cost, o, f;

		make_rounds(&m, &dice);
		cost = cost_of(&m, &dice);
		o = optimum(&m);
		f = furthest(&m);
		assert_int_equal(cost / LOAD, o / LOAD);
		assert_int_equal(f / LOAD, o / LOAD);
		assert_in_range(cost, o, f);
		ours += cost % LOAD;
		least += o % LOAD;
		belady += f % LOAD;
	}
	told(ours, least, belady);
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
		cmocka_unit_test(stores_are_fewer),
		cmocka_unit_test(two_orders_meet_their_bounds),
		cmocka_unit_test(any_order_of_ends_will_do),
		cmocka_unit_test(too_small_is_refused),
		cmocka_unit_test(a_failed_load_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
