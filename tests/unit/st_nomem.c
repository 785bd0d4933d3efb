/* Memory that runs out, at every allocation in turn: an error, no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/opt.h"
#include "formats/collect.h"
#include "formats/filter.h"
#include "tests/unit/st_streams.h"

/* glibc's own allocator, behind ours. A sanitizer brings another. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(__SANITIZE_THREAD__)
#define COUNTED 1

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void __libc_free(void *p);

static long left = -1;          /* allocations until one fails; -1: never */
static int failed, for_good;    /* so do all after it */
static long live;               /* blocks */

static int fails(void)
{
	if (!(failed && for_good) && (left < 0 || left-- > 0))
		return 0;
	failed = 1;
	return 1;
}

static void *count(void *p)
{
	live += p != NULL;
	return p;
}

void *malloc(size_t n)
{
	return fails() ? NULL : count(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
	void *new = fails() ? NULL : __libc_realloc(p, n);

	return p ? new : count(new);
}

void *aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : count(__libc_memalign(align, n));
}

void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}
#else
#define COUNTED 0
static long left;
static int failed, for_good;
static long live;
#endif

static char in[64], out[64];

static struct opt own[] = { { 0 } };
static const struct opt_program program = { "test", .own = own };

static int load_and_pass(void *ctx, struct source *from,
			 const struct item *item, struct sink *to)
{
	(void)ctx;
	TRY(source_load(from));
	return sink_pass(to, from, item);
}

static int filter_once(void)
{
	struct filter f = { .kind = STREAM_BASE, .tensor = load_and_pass };
	char *paths[] = { in, NULL };

	opt_common.output = out;
	return filter_run(&f, &program, paths, NULL);
}

static int collect_once(void)
{
	char *paths[] = { in, NULL };
	struct collection c;
	int err = collect(&c, paths);

	collection_release(&c);
	return err;
}

static void every_allocation(int (*run)(void), int and_all_after)
{
	for (long n = 0;; n++) {
		long before = live;
		int err, hit;

		failed = 0;
		for_good = and_all_after;
		left = n;
		err = run();
		left = -1;
		for_good = 0;
		hit = failed;
		failed = 0;
		if (live != before)
			fail_msg("allocation %ld: %ld blocks are lost", n,
				 live - before);
		if (!hit) {
			assert_int_equal(err, 0);
			assert_true(n > 100);
			return;
		}
		if (err != E_NOMEM && err)
			fail_msg("allocation %ld: %d %s", n, err, err_text());
	}
}

static void a_filter_gives_up(void **state)
{
	(void)state;
	if (!COUNTED)
		skip();
	every_allocation(filter_once, 0);
	every_allocation(filter_once, 1);
}

static void collecting_gives_up(void **state)
{
	(void)state;
	if (!COUNTED)
		skip();
	every_allocation(collect_once, 0);
	every_allocation(collect_once, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_filter_gives_up),
		cmocka_unit_test(collecting_gives_up),
	};
	char dir[] = "/tmp/st_nomem.XXXXXX";
	struct sink *s;
	int bad;

	if (!mkdtemp(dir))
		return 1;
	snprintf(in, sizeof(in), "%s/in", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	if (sink_open(&s, in, NULL))
		return 1;
	put_stream(s, STREAM_BASE);
	put_stream(s, STREAM_DATA);
	if (sink_close(s))
		return 1;
	bad = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(in);
	unlink(out);
	rmdir(dir);
	return bad;
}
