/* pages_pace - the same loads and stores in the same order, whether they end at
 * once or at the last moment: a tier plans its host by the one and does the
 * other (pager/moves.h) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dice.h"
#include "pager/pages.h"

/* So long, and with so many stores, that trials run out (pages_trial.c). */
enum { NSTEP = 700, NPAGE = 200, EACH = 3, PASSES = 4 };

struct moved {
	int how[PASSES * NSTEP * 2 * EACH];
	size_t page[PASSES * NSTEP * 2 * EACH];
	size_t n;
};

static void make_plan(struct page_use *use, size_t *start)
{
	struct dice d = { rng_of(3, "pace"), 0 };

	for (size_t i = 0; i < NSTEP; i++) {
		size_t page = roll(&d, NPAGE);

		start[i] = EACH * i;
		for (size_t k = 0; k < EACH; k++) { /* no page twice */
			page = (page + 1 + roll(&d, NPAGE / EACH)) % NPAGE;
			use[EACH * i + k] = (struct page_use){
				(uint32_t)page,
				roll(&d, 3) ? PAGE_READ :
					      PAGE_READ | PAGE_WRITE,
			};
		}
	}
	start[NSTEP] = (size_t)EACH * NSTEP;
}

/* Hands out one more move; 0: there is none. */
static int take(struct pages *p, struct moved *m)
{
	size_t page;
	enum page_move how = pages_next(p, &page);

	if (how == MOVE_LOAD || how == MOVE_STORE) {
		m->how[m->n] = how;
		m->page[m->n++] = page;
	}
	return how != MOVE_NONE;
}

/* late: a move ends only when the step is not ready otherwise. */
static void drive(struct moved *m, int late)
{
	static struct page_use use[EACH * NSTEP];
	static size_t start[NSTEP + 1], bytes[NPAGE];
	struct page_plan plan = { use, start, NSTEP, 1 };
	struct pages *p;
	size_t ended = 0, page;

	m->n = 0;
	make_plan(use, start);
	for (size_t i = 0; i < NPAGE; i++)
		bytes[i] = 1;
	assert_int_equal(pages_new(&p, bytes, NPAGE, 60), 0);
	assert_int_equal(pages_plan(p, &plan), 0);
	for (size_t i = 0; i < (size_t)PASSES * NSTEP; i++) {
		assert_int_equal(pages_begin(p), 0);
		do {
			while (take(p, m) || (!late && ended < m->n))
				while (!late && ended < m->n)
					pages_done(p, m->page[ended++], 0);
			if (pages_ready(p, &page))
				break;
			assert_true(ended < m->n);
			pages_done(p, m->page[ended++], 0);
		} while (1);
		pages_end(p);
	}
	while (ended < m->n)
		pages_done(p, m->page[ended++], 0);
	pages_free(p);
}

static void pace_changes_nothing(void **state)
{
	static struct moved early, late;
	size_t n, stores = 0;

	(void)state;
	drive(&early, 0);
	drive(&late, 1);
	n = early.n < late.n ? early.n : late.n;
	assert_memory_equal(early.how, late.how, n * sizeof(*early.how));
	assert_memory_equal(early.page, late.page, n * sizeof(*early.page));
	for (size_t i = 0; i < n; i++)
		stores += early.how[i] == MOVE_STORE;
	assert_true(stores > 300 && n - stores > 300);
	assert_in_range(early.n - n + late.n - n, 0, NPAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pace_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
