/* space - addresses with and without memory under them */
#define _DEFAULT_SOURCE /* mincore */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pager/space.h"

enum { SMALL = 3 * SPACE_PAGE, LARGE = 2 * SPACE_ALIGN + SMALL };

static const size_t sizes[] = { SPACE_PAGE, SMALL, SPACE_ALIGN, LARGE };

enum { SIZES = sizeof(sizes) / sizeof(*sizes) };

/* Who touches the byte dies of it. */
static int is_fault(const unsigned char *at)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		signal(SIGSEGV, SIG_DFL);
		_exit(*(const volatile unsigned char *)at == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static int is_faulting(const unsigned char *at, size_t bytes)
{
	return is_fault(at) && is_fault(at + bytes / 2) &&
	       is_fault(at + bytes - 1);
}

static size_t resident(unsigned char *at, size_t bytes)
{
	static unsigned char in[LARGE / SPACE_PAGE];
	size_t n = 0;

	assert_int_equal(mincore(at, bytes, in), 0);
	for (size_t i = 0; i < bytes / SPACE_PAGE; i++)
		n += in[i] & 1;
	return n;
}

static void fill(unsigned char *at, size_t bytes, size_t seed)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (unsigned char)(i * 7 + i / 4096 + seed);
}

static void check_filled(const unsigned char *at, size_t bytes, size_t seed)
{
	for (size_t i = 0; i < bytes; i++)
		if (at[i] != (unsigned char)(i * 7 + i / 4096 + seed))
			fail_msg("byte %zu of %zu", i, bytes);
}

static void check_zeroed(const unsigned char *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(at[i], 0);
}

static void memory_is_there_between_take_and_drop(void **state)
{
	(void)state;
	for (size_t k = 0; k < SIZES; k++) {
		struct space s;

		assert_int_equal(space_init(&s, sizes[k]), 0);
		assert_int_equal((uintptr_t)s.at % SPACE_ALIGN, 0);
		assert_true(is_faulting(s.at, s.bytes));
		for (size_t n = 0; n < 3; n++) {
			assert_int_equal(space_take(s.at, s.bytes), 0);
			check_zeroed(s.at, s.bytes);
			fill(s.at, s.bytes, n);
			check_filled(s.at, s.bytes, n);
			assert_int_equal(space_drop(s.at, s.bytes), 0);
			assert_int_equal(resident(s.at, s.bytes), 0);
			assert_true(is_faulting(s.at, s.bytes));
		}
		space_release(&s);
	}
}

static void what_is_dropped_is_no_neighbours(void **state)
{
	unsigned char *middle;
	struct space s;

	(void)state;
	assert_int_equal(space_init(&s, SMALL), 0);
	middle = s.at + SPACE_PAGE;
	assert_int_equal(space_take(s.at, SMALL), 0);
	fill(s.at, SMALL, 1);
	assert_int_equal(space_drop(middle, SPACE_PAGE), 0);
	assert_true(is_fault(middle) && is_fault(middle + SPACE_PAGE - 1));
	assert_false(is_fault(middle - 1) || is_fault(middle + SPACE_PAGE));
	assert_int_equal(space_take(middle, SPACE_PAGE), 0);
	check_zeroed(middle, SPACE_PAGE);
	check_filled(s.at, SPACE_PAGE, 1);
	space_release(&s);
}

/* Round and round, each time with what was in it; what it leaves has none. */
static void memory_moves_with_its_bytes(void **state)
{
	enum { N = 3 };

	(void)state;
	for (size_t k = 0; k < SIZES; k++) {
		struct space s[N];

		for (size_t i = 0; i < N; i++)
			assert_int_equal(space_init(&s[i], sizes[k]), 0);
		assert_int_equal(space_take(s[0].at, sizes[k]), 0);
		fill(s[0].at, sizes[k], k);
		for (size_t n = 0; n < 3 * N; n++) {
			struct space *from = &s[n % N], *to = &s[(n + 1) % N];

			if (space_move(to->at, from->at, sizes[k]))
				skip(); /* this system cannot */
			check_filled(to->at, sizes[k], k);
			assert_int_equal(resident(from->at, sizes[k]), 0);
			assert_true(is_faulting(from->at, sizes[k]));
		}
		/* Where it was is as good as new. */
		assert_int_equal(space_take(s[1].at, sizes[k]), 0);
		check_zeroed(s[1].at, sizes[k]);
		check_filled(s[0].at, sizes[k], k);
		for (size_t i = 0; i < N; i++)
			space_release(&s[i]);
	}
}

/* A page that takes the memory of another, which has its own again at once:
 * neither has the other's bytes. */
static void memory_that_moved_is_not_shared(void **state)
{
	struct space a, b;

	(void)state;
	assert_int_equal(space_init(&a, SMALL), 0);
	assert_int_equal(space_init(&b, SMALL), 0);
	assert_int_equal(space_take(a.at, SMALL), 0);
	fill(a.at, SMALL, 1);
	if (space_move(b.at, a.at, SMALL))
		skip();
	assert_int_equal(space_take(a.at, SMALL), 0);
	fill(a.at, SMALL, 2);
	check_filled(b.at, SMALL, 1);
	assert_int_equal(space_drop(b.at, SMALL), 0);
	check_filled(a.at, SMALL, 2);
	space_release(&a);
	space_release(&b);
}

static void no_addresses_is_told(void **state)
{
	struct space s;

	(void)state;
	assert_int_equal(space_init(&s, SIZE_MAX / 4), E_NOMEM);
	space_release(&s);
	assert_int_equal(space_init(&s, 0), 0);
	space_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_there_between_take_and_drop),
		cmocka_unit_test(what_is_dropped_is_no_neighbours),
		cmocka_unit_test(memory_moves_with_its_bytes),
		cmocka_unit_test(memory_that_moved_is_not_shared),
		cmocka_unit_test(no_addresses_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
