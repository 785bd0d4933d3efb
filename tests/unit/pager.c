/* pager - pages through real threads: bytes, errors at every piece, sizes */
#define _DEFAULT_SOURCE /* mincore */
#include "pager/pager.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <cmocka.h>

#include "pager/space.h"
#include "pager/spill.h"

enum { PAGES = 12, PIECES = 3, BYTES = PIECES * SPACE_PAGE,
       ALL = 3 * 2 * PAGES };

/* A disk in memory; loads and stores are counted, and one may fail. */
struct disk {
	struct space space;
	unsigned char at[PAGES][BYTES];
	struct pager_backing backing;
	struct pager_page page[PAGES];
	int calls, fail_at;
};

static int fails(struct disk *d)
{
	int n = __atomic_add_fetch(&d->calls, 1, __ATOMIC_RELAXED);

	return n == d->fail_at ? err_set(E_IO, "the disk is broken") : 0;
}

static int load(void *ctx, size_t id, size_t i, void *at, void *scratch)
{
	struct disk *d = ctx;
	unsigned char *to = (unsigned char *)at + i * SPACE_PAGE;

	TRY(fails(d));
	memcpy(scratch, d->at[id] + i * SPACE_PAGE, SPACE_PAGE);
	memcpy(to, scratch, SPACE_PAGE);
	return 0;
}

static int store(void *ctx, size_t id, size_t i, const void *at)
{
	struct disk *d = ctx;

	TRY(fails(d));
	memcpy(d->at[id] + i * SPACE_PAGE,
	       (const unsigned char *)at + i * SPACE_PAGE, SPACE_PAGE);
	return 0;
}

static void disk_open(struct disk *d)
{
	memset(d, 0, sizeof(*d));
	assert_int_equal(space_init(&d->space, PAGES * BYTES), 0);
	d->backing = (struct pager_backing){ d, SPACE_PAGE, load, store };
	for (size_t i = 0; i < PAGES; i++) {
		memset(d->at[i], (int)i + 1, BYTES);
		d->page[i] = (struct pager_page){
			d->space.at + i * BYTES, BYTES, &d->backing, i,
			PIECES,
		};
	}
}

/* Down and up; on the way up every third page is changed. */
static void fill_plan(struct page_use *use, size_t *start)
{
	for (size_t i = 0; i < 2 * PAGES; i++) {
		size_t page = i < PAGES ? i : 2 * PAGES - 1 - i;
		int change = i >= PAGES && page % 3 == 0;

		use[i] = (struct page_use){
			(uint32_t)page,
			PAGE_READ | (change ? PAGE_WRITE : 0),
		};
		start[i + 1] = i + 1;
	}
}

static void check_page(const unsigned char *at, size_t page, int round)
{
	int want = (int)page + 1 + (page % 3 == 0 ? round : 0);

	for (size_t k = 0; k < BYTES; k += 511)
		assert_int_equal(at[k], want);
}

/* So many steps, the last of which stays open, or is ended if that is the end
 * of three rounds; the first error, if any. */
static int run_up_to(struct disk *d, size_t capacity, size_t steps)
{
	static struct page_use use[2 * PAGES];
	static size_t start[2 * PAGES + 1];
	struct page_plan plan = { use, start, 2 * PAGES, 1 };
	struct pager *p;
	int err;

	fill_plan(use, start);
	assert_int_equal(pager_new(&p, d->page, PAGES, capacity), 0);
	err = pager_plan(p, &plan);
	for (size_t i = 0; !err && i < steps; i++) {
		size_t step = i % plan.nstep, page = use[step].page;

		err = pager_begin(p);
		if (err)
			break;
		check_page(d->page[page].at, page, (int)(i / plan.nstep));
		if (use[step].how & PAGE_WRITE)
			memset(d->page[page].at, (int)page + 1 +
			       (int)(i / plan.nstep) + 1, BYTES);
		if (i + 1 < steps || steps == ALL)
			pager_end(p);
	}
	pager_free(p);
	return err;
}

static int run(struct disk *d, size_t capacity)
{
	return run_up_to(d, capacity, ALL);
}

/* No page is in memory. */
static void check_no_memory(const struct disk *d)
{
	unsigned char in[PAGES * PIECES];

	memset(in, 0, sizeof(in));
	if (mincore(d->space.at, PAGES * BYTES, in)) /* no address is */
		return;
	for (size_t i = 0; i < sizeof(in); i++)
		assert_int_equal(in[i] & 1, 0);
}

static void bytes_are_the_same_at_every_size(void **state)
{
	(void)state;
	for (size_t n = 1; n <= PAGES; n++) {
		struct disk d;

		disk_open(&d);
		assert_int_equal(run(&d, n * BYTES), 0);
		space_release(&d.space);
	}
}

static void an_error_at_any_piece_ends_the_run(void **state)
{
	struct disk d;
	int all;

	(void)state;
	disk_open(&d);
	assert_int_equal(run(&d, 4 * BYTES), 0);
	all = d.calls;
	space_release(&d.space);
	for (int i = 1; i <= all; i += 1 + i / 40) {
		int err;

		disk_open(&d);
		d.fail_at = i;
		err = run(&d, 4 * BYTES);
		check_no_memory(&d);
		/* What was read ahead of the end may never be wanted. */
		if (err) {
			assert_int_equal(err, E_IO);
			assert_string_equal(err_text(), "the disk is broken");
		} else {
			assert_true(i > all - 4 * PIECES);
		}
		space_release(&d.space);
	}
}

/* In the middle of loads and stores, with a step open and without. */
static void a_run_may_be_given_up_anywhere(void **state)
{
	(void)state;
	for (size_t n = 0; n < ALL; n++) {
		struct disk d;
		int calls;

		disk_open(&d);
		assert_int_equal(run_up_to(&d, 3 * BYTES, n), 0);
		calls = d.calls;
		check_no_memory(&d);
		assert_int_equal(d.calls, calls);
		space_release(&d.space);
	}
}

static void too_little_is_told(void **state)
{
	struct disk d;

	(void)state;
	disk_open(&d);
	assert_int_equal(run(&d, BYTES - 1), E_NOMEM);
	space_release(&d.space);
}

static void a_plan_may_change(void **state)
{
	static const struct page_use one[] = { { 3, PAGE_READ } };
	static const struct page_use two[] = { { 5, PAGE_READ },
					       { 6, PAGE_READ } };
	static const size_t from[] = { 0, 1 }, to[] = { 0, 2 };
	const struct page_plan a = { one, from, 1, 1 }, b = { two, to, 1, 0 };
	struct pager_stats s;
	struct pager *p;
	struct disk d;

	(void)state;
	disk_open(&d);
	assert_int_equal(pager_new(&p, d.page, PAGES, 2 * BYTES), 0);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(pager_plan(p, &a), 0);
		assert_int_equal(pager_begin(p), 0);
		check_page(d.page[3].at, 3, 0);
		pager_end(p);
		assert_int_equal(pager_plan(p, &b), 0);
		assert_int_equal(pager_begin(p), 0);
		check_page(d.page[5].at, 5, 0);
		check_page(d.page[6].at, 6, 0);
		pager_end(p);
		assert_int_equal(pager_begin(p), E_BUG); /* it has one step */
	}
	pager_statistics(p, &s);
	assert_true(s.peak <= 2 * BYTES);
	pager_free(p);
	space_release(&d.space);
}

/* Nobody asks for more than step 0: what comes, comes ahead. */
static void pages_come_while_a_step_is_computed(void **state)
{
	static struct page_use use[2 * PAGES];
	static size_t start[2 * PAGES + 1];
	const struct page_plan plan = { use, start, 2 * PAGES, 1 };
	const struct timespec moment = { 0, 1000000 };
	struct pager_stats s;
	struct pager *p;
	struct disk d;

	(void)state;
	disk_open(&d);
	fill_plan(use, start);
	assert_int_equal(pager_new(&p, d.page, PAGES, 4 * BYTES), 0);
	assert_int_equal(pager_plan(p, &plan), 0);
	assert_int_equal(pager_begin(p), 0);
	do {
		nanosleep(&moment, NULL);
		pager_statistics(p, &s);
	} while (s.loads < 4);
	for (size_t i = 0; i < 4; i++)
		check_page(d.page[i].at, i, 0);
	assert_int_equal(s.loads, 4);
	assert_int_equal(s.peak, 4 * BYTES);
	pager_end(p);
	pager_free(p);
	space_release(&d.space);
}

static void a_folder_in_memory_is_refused(void **state)
{
	struct spill s;

	(void)state;
	if (setenv("TMPDIR", "/dev/shm", 1))
		fail();
	if (!spill_open(&s)) { /* no such file system here */
		spill_close(&s);
		skip();
	}
	assert_non_null(strstr(err_text(), "/dev/shm is in memory"));
	assert_int_equal(setenv("TMPDIR", "/nowhere", 1), 0);
	assert_int_equal(spill_open(&s), E_CREATE);
	assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void what_is_spilled_comes_back(void **state)
{
	struct spill s;
	char out[9000], in[9000];

	(void)state;
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7);
	assert_int_equal(spill_open(&s), 0);
	assert_int_equal(spill_reserve(&s, 20000), 0);
	assert_int_equal(spill_write(&s, 5000, out, sizeof(out)), 0);
	assert_int_equal(spill_read(&s, 5000, in, sizeof(in)), 0);
	assert_memory_equal(in, out, sizeof(out));
	assert_int_equal(spill_read(&s, 19999, in, 2), E_IO);
	assert_int_equal(spill_reserve(&s, UINT64_C(1) << 62), E_CREATE);
	spill_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_the_same_at_every_size),
		cmocka_unit_test(an_error_at_any_piece_ends_the_run),
		cmocka_unit_test(a_run_may_be_given_up_anywhere),
		cmocka_unit_test(too_little_is_told),
		cmocka_unit_test(a_plan_may_change),
		cmocka_unit_test(pages_come_while_a_step_is_computed),
		cmocka_unit_test(a_folder_in_memory_is_refused),
		cmocka_unit_test(what_is_spilled_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
