/*
 * page_faults - pages whose reads and writes fail, at every one in turn: the
 * same bytes, or an error that says where; never others
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/size.h"
#include "formats/base_pages_parts.h"
#include "formats/collect.h"
#include "formats/sink.h"
#include "io_faults.h"

/* ---- a base ---- */

enum { PAGES = 4, ROWS = 3, COLS = 100000 };

/* Where its bytes are while they are not in memory. */
enum where { RAW, PACKED, DIRECT, SPILLED };

static char dir[] = "/tmp/page_faults.XXXXXX", raw[64], packed[64];

static unsigned char byte_of(size_t page, size_t k)
{
	return (unsigned char)(k * k / 999 + page * 31);
}

static void make(struct tensor *t, size_t page)
{
	const size_t shape[] = { ROWS, COLS };
	char name[2] = { (char)('a' + page), 0 };
	unsigned char *at;

	assert_int_equal(tensor_init(t, name, ROLE_LINEAR, DTYPE_U8, 2, shape),
			 0);
	assert_int_equal(tensor_alloc(t), 0);
	at = t->part[0].data;
	for (size_t k = 0; k < ROWS * COLS; k++)
		at[k] = byte_of(page, k);
}

static void write_base(const char *path, int level)
{
	struct sink_options o = { .level = level };
	struct sink *s;

	assert_int_equal(sink_open(&s, path, &o), 0);
	assert_int_equal(sink_head(s, STREAM_BASE), 0);
	for (size_t i = 0; i < PAGES; i++) {
		struct tensor t;

		make(&t, i);
		assert_int_equal(sink_tensor(s, &t), 0);
		tensor_release(&t);
	}
	assert_int_equal(sink_end(s, NULL), 0);
	assert_int_equal(sink_close(s), 0);
}

struct base {
	struct collection from;         /* a file */
	struct base_pages *own;         /* or none */
	struct base_pages *pages;
	const struct page_owner *owner;
};

static int keep_all(struct base *b)
{
	TRY(base_pages_new(&b->own, 2 * ROWS * COLS));
	for (size_t i = 0; i < PAGES; i++) {
		struct tensor t;
		int err;

		make(&t, i);
		err = base_pages_keep(b->own, &t);
		base_pages_forget(b->own, &t);
		tensor_release(&t);
		TRY(err);
	}
	b->pages = b->own;
	return 0;
}

static int open_base(struct base *b, enum where where)
{
	char *const paths[] = { where == PACKED ? packed : raw, NULL };

	memset(b, 0, sizeof(*b));
	if (where == SPILLED) {
		TRY(keep_all(b));
	} else {
		TRY(collect_paged(&b->from, paths, 1 << 20));
		b->pages = b->from.base.pages;
	}
	b->owner = base_pages_owner(b->pages);
	b->pages->direct = where == DIRECT; /* as where memory is short */
	b->pages->backing.scratch = size_max(b->pages->packed, b->pages->raw);
	assert_int_equal(b->owner->n, PAGES);
	return b->owner->ready(b->owner->ctx);
}

static void close_base(struct base *b)
{
	base_pages_free(b->own);
	collection_release(&b->from);
}

static void check_page(const struct base *b, size_t page)
{
	const unsigned char *at = b->owner->page[page].at;

	for (size_t k = 0; k < ROWS * COLS; k++)
		if (at[k] != byte_of(page, k))
			fail_msg("byte %zu of page %zu is wrong", k, page);
}

/* All pages, down and up, two of them in memory. */
static int read_pages(const struct base *b, struct pager *p)
{
	struct page_use use[2 * PAGES];
	size_t start[2 * PAGES + 1];
	const struct page_plan plan = { use, start, 2 * PAGES, 0 };

	for (size_t i = 0; i <= 2 * PAGES; i++)
		start[i] = i;
	for (size_t i = 0; i < PAGES; i++)
		use[i] = use[2 * PAGES - 1 - i] =
			(struct page_use){ (uint32_t)i, PAGE_READ };
	TRY(pager_plan(p, &plan));
	for (size_t i = 0; i < 2 * PAGES; i++) {
		TRY(pager_begin(p));
		check_page(b, use[i].page);
		pager_end(p);
	}
	return 0;
}

/* The n'th call fails; -1: none does. Reads count from where all is open. */
static int run(enum where where, long n)
{
	struct base b;
	struct pager *p = NULL;
	int err;

	asked = hits = 0;
	nth = fault.write ? n : -1;
	err = open_base(&b, where);
	if (!err) {
		nth = n;
		err = pager_new(&p, b.owner->page, PAGES,
				2 * b.owner->page[0].bytes);
	}
	if (!err)
		err = read_pages(&b, p);
	pager_free(p);
	nth = -1;
	close_base(&b);
	return err;
}

/* ---- tests ---- */

static size_t open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void check_message(enum where where, int err)
{
	const char *file = where == SPILLED ? "pages" : dir;

	if (!strstr(err_text(), file) ||
	    (!fault.write && !strstr(err_text(), ": offset ")))
		fail_msg("%d: %s", err, err_text());
}

/* Every call of this kind fails in turn; returns how many there were. */
static long each(enum where where, struct fault f, int wanted)
{
	size_t files;

	fault = f;
	assert_int_equal(run(where, -1), 0); /* libuv opens some for good */
	files = open_files();
	for (long n = 0;; n++) {
		int err = run(where, n);

		assert_int_equal(open_files(), files);
		if (err != (hits ? wanted : 0))
			fail_msg("call %ld: %d %s, want %d", n, err,
				 err ? err_text() : "", wanted);
		if (err)
			check_message(where, err);
		if (!hits)
			return n;
	}
}

static const struct fault once = { ERROR, EIO, 1, 0 },
	twice = { ERROR, EIO, ALWAYS, 0 }, interrupted = { ERROR, EINTR, 3, 0 },
	part = { SHORT, 0, 1, 0 }, gone = { END, 0, ALWAYS, 0 },
	damage = { DAMAGE, 0, 1, 0 };

static void a_read_that_fails_is_tried_again(void **state)
{
	(void)state;
	for (enum where w = RAW; w <= SPILLED; w++)
		assert_true(each(w, once, 0) >= PAGES);
}

static void a_read_that_fails_on_says_where(void **state)
{
	(void)state;
	for (enum where w = RAW; w <= SPILLED; w++)
		assert_true(each(w, twice, E_IO) >= PAGES);
}

static void interrupted_and_short_reads_go_on(void **state)
{
	(void)state;
	for (enum where w = RAW; w <= SPILLED; w++) {
		assert_true(each(w, interrupted, 0) >= PAGES);
		assert_true(each(w, part, 0) >= PAGES);
	}
}

static void a_file_that_ends_early_is_an_error(void **state)
{
	(void)state;
	for (enum where w = RAW; w < SPILLED; w++)
		assert_true(each(w, gone, E_DATA) >= PAGES);
	assert_true(each(SPILLED, gone, E_IO) >= PAGES);
}

/* Bytes that are wrong once may be on the disk, so that is not tried again. */
static void damage_is_found_wherever_it_is(void **state)
{
	(void)state;
	for (enum where w = RAW; w <= SPILLED; w++)
		if (w != DIRECT) /* what is read beside the page may be it */
			assert_true(each(w, damage, E_DATA) >= PAGES);
}

/* Some file systems take O_DIRECT and then refuse to read so. */
static void what_cannot_be_read_directly_is_read(void **state)
{
	static const struct fault refused = { ERROR, EINVAL, 1, 0 },
		never = { ERROR, EINVAL, ALWAYS, 0 };
	int fd = open(raw, O_RDONLY | O_DIRECT);

	(void)state;
	if (fd < 0)
		skip();
	close(fd);
	assert_true(each(DIRECT, refused, 0) >= PAGES);
	assert_true(each(DIRECT, never, 0) >= PAGES);
}

static void a_write_that_fails_says_so(void **state)
{
	static const struct fault broken = { ERROR, EIO, 1, 1 },
		full = { ERROR, ENOSPC, 1, 1 }, nothing = { END, 0, 1, 1 },
		again = { ERROR, EINTR, 3, 1 }, less = { SHORT, 0, 1, 1 };

	(void)state;
	assert_true(each(SPILLED, broken, E_IO) >= PAGES);
	assert_true(each(SPILLED, full, E_IO) >= PAGES);
	assert_true(each(SPILLED, nothing, E_IO) >= PAGES);
	assert_true(each(SPILLED, again, 0) >= PAGES);
	assert_true(each(SPILLED, less, 0) >= PAGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_that_fails_is_tried_again),
		cmocka_unit_test(a_read_that_fails_on_says_where),
		cmocka_unit_test(interrupted_and_short_reads_go_on),
		cmocka_unit_test(a_file_that_ends_early_is_an_error),
		cmocka_unit_test(damage_is_found_wherever_it_is),
		cmocka_unit_test(what_cannot_be_read_directly_is_read),
		cmocka_unit_test(a_write_that_fails_says_so),
	};
	int bad;

	if (!mkdtemp(dir))
		return 1;
	snprintf(raw, sizeof(raw), "%s/raw", dir);
	snprintf(packed, sizeof(packed), "%s/packed", dir);
	write_base(raw, 0);
	write_base(packed, 3);
	bad = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(raw);
	unlink(packed);
	rmdir(dir);
	return bad;
}
