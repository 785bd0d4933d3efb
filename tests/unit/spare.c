/*
 * spare - memory of dropped pages: each page has all of its own and nobody
 * else's, and no more is kept than may be
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dice.h"
#include "base/size.h"
#include "pager/space.h"
#include "pager/spare.h"

enum { PAGES = 10 };

struct world {
	struct space space;
	struct pager_page page[PAGES];
	struct spares spares;
	int here[PAGES];        /* the number that it holds; 0: dropped */
	size_t used;
};

static void world_open(struct world *w, struct dice *d)
{
	size_t at[PAGES + 1] = { 0 };

	memset(w, 0, sizeof(*w));
	for (size_t i = 0; i < PAGES; i++) {
		size_t small = 1 + roll(d, 5), large = roll(d, 4) * 512;

		if (roll(d, 3) == 0)
			small = large ? 0 : 1;
		w->page[i].bytes = (small + large) * SPACE_PAGE;
		at[i + 1] = at[i] + size_align(w->page[i].bytes, SPACE_ALIGN);
	}
	assert_int_equal(space_init(&w->space, at[PAGES]), 0);
	for (size_t i = 0; i < PAGES; i++)
		w->page[i].at = w->space.at + at[i];
	assert_int_equal(spares_init(&w->spares, w->page, PAGES), 0);
}

static void world_close(struct world *w)
{
	spares_release(&w->spares);
	space_release(&w->space);
}

/* A number for each small page of a page. */
static void write_page(struct world *w, size_t page, int number)
{
	for (size_t at = 0; at < w->page[page].bytes; at += SPACE_PAGE)
		memcpy((char *)w->page[page].at + at, &number, sizeof(number));
	w->here[page] = number;
}

static void check_page(const struct world *w, size_t page)
{
	for (size_t at = 0; at < w->page[page].bytes; at += SPACE_PAGE)
		assert_memory_equal((char *)w->page[page].at + at,
				    &w->here[page], sizeof(int));
}

static void in_any_order(void **state)
{
	size_t reused = 0, fresh = 0;

	(void)state;
	for (size_t seed = 0; seed < 100; seed++) {
		struct dice d = { rng_of(seed, "spare"), 0 };
		struct world w;

		world_open(&w, &d);
		for (int k = 1; k < 200; k++) {
			size_t page = roll(&d, PAGES), most = roll(&d, 3) *
				(size_t)SPACE_ALIGN, before = w.spares.bytes;

			if (w.here[page]) {
				check_page(&w, page);
				w.here[page] = 0;
				spares_add(&w.spares, page);
				continue;
			}
			assert_int_equal(spares_take(&w.spares, page, most),
					 0);
			assert_true(w.spares.bytes <= most);
			reused += before > w.spares.bytes;
			fresh += before == w.spares.bytes;
			write_page(&w, page, k);
		}
		for (size_t i = 0; i < PAGES; i++)
			if (w.here[i])
				check_page(&w, i);
		world_close(&w);
	}
	assert_true(reused > 100 && fresh > 100);
}

/* Is the memory at a byte of a page what was written to another's? */
static int holds(const struct world *w, size_t page, size_t byte, char what)
{
	return ((const char *)w->page[page].at)[byte] == what;
}

static void sizes(struct world *w, const size_t *bytes, size_t n)
{
	size_t at = 0;

	memset(w, 0, sizeof(*w));
	assert_int_equal(space_init(&w->space, 64 << 20), 0);
	for (size_t i = 0; i < n; i++) {
		w->page[i].bytes = bytes[i];
		w->page[i].at = w->space.at + at;
		at += size_align(bytes[i], SPACE_ALIGN);
	}
	assert_int_equal(spares_init(&w->spares, w->page, n), 0);
}

static void fill_page(struct world *w, size_t page, char what)
{
	assert_int_equal(spares_take(&w->spares, page, SIZE_MAX), 0);
	memset(w->page[page].at, what, w->page[page].bytes);
}

/* Three small ones' memory makes a large one; its own, two small ones. */
static void pieces_of_several(void **state)
{
	static const size_t bytes[] = { 4 << 20, 4 << 20, (2 << 20) + 8192,
					9 << 20 };
	struct world w;

	(void)state;
	sizes(&w, bytes, 4);
	for (size_t i = 0; i < 3; i++)
		fill_page(&w, i, (char)('a' + i));
	for (size_t i = 0; i < 3; i++)
		spares_add(&w.spares, i);
	assert_int_equal(spares_take(&w.spares, 3, SIZE_MAX), 0);
	assert_true(holds(&w, 3, 0, 'c') && holds(&w, 3, 2 << 20, 'b') &&
		    holds(&w, 3, 6 << 20, 'a'));
	assert_true(holds(&w, 3, 8 << 20, 0)); /* that is fresh */
	memset(w.page[3].at, 'd', w.page[3].bytes);
	assert_int_equal(w.spares.bytes, 2 << 20);
	spares_add(&w.spares, 3);
	assert_int_equal(spares_take(&w.spares, 1, SIZE_MAX), 0);
	assert_true(holds(&w, 1, 0, 'd') && holds(&w, 1, 3 << 20, 'd'));
	assert_int_equal(spares_take(&w.spares, 3, SIZE_MAX), 0);
	assert_true(holds(&w, 3, 0, 'd') && holds(&w, 3, 4 << 20, 'a'));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_any_order),
		cmocka_unit_test(pieces_of_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
