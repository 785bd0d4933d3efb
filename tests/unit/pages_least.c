/* pages_least - loads and stores of a plan, against an optimum by brute force,
 * and against what is known of passes */
#include "pager/moves.h"
#include "pager/pages.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
	assert_int_equal(run_steps(&d, m->plan.nstep), 0);
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

/* By the same measure. */
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

/* What a step of training does: weights are read down and up, and a page for
 * each layer is made on the way down and read on the way up. */
static void a_pass_stores_nothing(void **state)
{
	enum { N = 20, CAPACITY = 26, ROUNDS = 4 };
	static struct page_use use[4 * N];
	static size_t start[2 * N + 1], bytes[2 * N];
	struct page_plan plan = { use, start, 2 * N, 1 };
	size_t loads = 0, stores = 0;
	struct moves m;

	(void)state;
	for (size_t i = 0; i < 2 * N; i++) {
		uint32_t layer = (uint32_t)(i < N ? i : 2 * N - 1 - i);

		bytes[i] = 1;
		use[2 * i] = (struct page_use){ layer, PAGE_READ };
		use[2 * i + 1] = (struct page_use){
			N + layer, i < N ? PAGE_NEW : PAGE_READ | PAGE_LAST,
		};
		start[i + 1] = 2 * (i + 1);
	}
	assert_int_equal(moves_init(&m, bytes, 2 * N, CAPACITY, &plan), 0);
	assert_int_equal(moves_play(&m, ROUNDS * plan.nstep), 0);
	for (size_t i = 0; i < m.n; i++) {
		loads += m.move[i].how == PAGE_READ;
		stores += m.move[i].how == PAGE_NEW;
	}
	moves_release(&m);
	/* All once, then what the carried pages have displaced. */
	assert_int_equal(loads, N + ROUNDS * (2 * N - CAPACITY));
	assert_int_equal(stores, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_are_the_optimum),
		cmocka_unit_test(stores_are_fewer),
		cmocka_unit_test(two_orders_meet_their_bounds),
		cmocka_unit_test(a_pass_stores_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
