/* The emulated device: that it faults, overtakes and fails as it promises. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/os.h"
#include "base/size.h"
#include "device/device_emu.h"
#include "tests/unit/devices.h"

static struct device *open_emu(const struct device_emu_options *emu,
			       size_t budget)
{
	struct device_options o = { .budget = budget, .emu = emu };
	struct device *d;

	if (device_open(&d, device_find("emu"), &o))
		fail_msg("%s", err_text());
	return d;
}

static struct device_region *region(struct device *d, size_t n)
{
	struct device_region *r;

	if (device_alloc(d, &r, n))
		fail_msg("%zu bytes: %s", n, err_text());
	return r;
}

/* ---- what is touched outside a pin ---- */

static void fault(int sig)
{
	(void)sig;
	_exit(99);
}

/* Does touching this byte end a process? */
static int faults(volatile char *at, int writing)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct sigaction a = { .sa_handler = fault };

		sigaction(SIGSEGV, &a, NULL);
		if (writing)
			*at = 1;
		else
			(void)*at;
		_exit(0);
	}
	assert_true(pid > 0);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 99;
}

static void touching_outside_a_pin_faults(void **state)
{
	struct device *d = open_emu(NULL, 1 << 20);
	struct device_region *r = region(d, 8192);
	void *pin;
	char *at;

	(void)state;
	assert_int_equal(device_pin(r, DEVICE_WRITE, &pin), 0);
	at = pin;
	assert_false(faults(at, 1));
	assert_false(faults(at + 8191, 1));
	assert_true(faults(at - 1, 0));
	assert_true(faults(at + 8192, 0));
	assert_int_equal(device_unpin(r), 0);
	assert_true(faults(at, 0));
	assert_true(faults(at + 8191, 0));
	assert_int_equal(device_pin(r, DEVICE_READ, &pin), 0);
	assert_int_equal(device_pin(r, DEVICE_READ, &pin), 0);
	assert_false(faults(at, 0));
	assert_true(faults(at, 1));
	assert_int_equal(device_unpin(r), 0);
	assert_false(faults(at, 0));
	assert_int_equal(device_unpin(r), 0);
	assert_true(faults(at, 0));
	assert_int_equal(device_free(r), 0);
	assert_true(faults(at, 0));
	device_close(d);
}

static void fresh_memory_is_poisoned(void **state)
{
	struct device *d = open_emu(NULL, 1 << 20);

	(void)state;
	for (int turn = 0; turn < 3; turn++) {
		struct device_region *r = region(d, 5000);
		unsigned char *at;

		assert_int_equal(device_pin(r, DEVICE_WRITE, (void **)&at), 0);
		for (size_t i = 0; i < 5000; i++)
			assert_int_equal(at[i], 0xa5);
		memset(at, turn, 5000);
		assert_int_equal(device_unpin(r), 0);
		assert_int_equal(device_free(r), 0);
	}
	device_close(d);
}

/* ---- the order in which copies end ---- */

/* A word is written for each copy that ends: 'u', 'd'. */
struct word {
	struct ended ended;
	char *at;
	char letter;
};

static void write_letter(void *ctx, int err)
{
	struct word *w = ctx;

	*w->at++ = err ? '!' : w->letter;
}

static void queues_overtake_each_other(void **state)
{
	int first[2] = { 0, 0 };
	char from[8] = "abcdefg", to[8];

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct device_emu_options o = { .seed = seed, .stepped = 1 };
		struct device *d = open_emu(&o, 1 << 20);
		struct device_region *a = region(d, 8), *b = region(d, 8);
		char said[16] = "", *at = said;
		struct word u = { .at = NULL, .letter = 'u' }, v;
		struct device_copy up[3], down;
		void *pin;

		/* The three share one pen. */
		u.at = at;
		v = u;
		v.letter = 'd';
		assert_int_equal(device_pin(b, DEVICE_WRITE, &pin), 0);
		memcpy(pin, "gfedcba", 8);
		assert_int_equal(device_unpin(b), 0);
		v.at = said + 8;
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(device_h2d(&up[i], a, 0, from, 8,
						    write_letter, &u), 0);
		assert_int_equal(device_d2h(&down, b, 0, to, 8, write_letter,
					    &v), 0);
		assert_int_equal(device_stat(d).copying, 4);
		while (!said[0] && !said[8])
			assert_int_equal(device_emu_turn(d), 1);
		first[said[0] == 'u']++;
		while (device_emu_turn(d))
			;
		assert_memory_equal(said, "uuu", 3);
		assert_int_equal(said[8], 'd');
		assert_memory_equal(to, "gfedcba", 8);
		assert_int_equal(device_stat(d).copying, 0);
		device_close(d);
	}
	assert_true(first[0] > 20 && first[1] > 20);
}

static void a_seed_is_an_order(void **state)
{
	char said[2][64];

	(void)state;
	for (size_t run = 0; run < 2; run++) {
		struct device_emu_options o = { .seed = 5, .stepped = 1 };
		struct device *d = open_emu(&o, 1 << 20);
		struct device_region *a = region(d, 8), *b = region(d, 8);
		static struct device_copy c[40];
		static char host[40][8];
		struct ended up = ENDED, down = ENDED;
		size_t n = 0;

		for (size_t i = 0; i < 40; i += 2) {
			assert_int_equal(device_h2d(&c[i], a, 0, host[i], 8,
						    end_one, &up), 0);
			assert_int_equal(device_d2h(&c[i + 1], b, 0,
						    host[i + 1], 8, end_one,
						    &down), 0);
		}
		for (; device_emu_turn(d) && n < 63; n++)
			said[run][n] = (char)('0' + up.n);
		said[run][n] = 0;
		device_close(d);
	}
	assert_string_equal(said[0], said[1]);
}

/* ---- who excludes whom, while copies are under way ---- */

static void a_copy_under_way_excludes(void **state)
{
	struct device_emu_options o = { .stepped = 1 };
	struct device *d = open_emu(&o, 1 << 20);
	struct device_region *r = region(d, 8);
	struct device_copy c, other;
	struct ended e = ENDED;
	char host[8] = "", more[8] = "";
	void *at;

	(void)state;
	assert_int_equal(device_h2d(&c, r, 0, host, 8, end_one, &e), 0);
	assert_int_equal(device_d2h(&other, r, 0, more, 8, end_one, &e),
			 E_BUG);
	assert_int_equal(device_pin(r, DEVICE_READ, &at), E_BUG);
	assert_int_equal(device_free(r), E_BUG);
	assert_int_equal(device_h2d(&other, r, 0, host, 8, end_one, &e), 0);
	while (device_emu_turn(d))
		;
	assert_int_equal(await(&e, 2), 0);
	assert_int_equal(device_d2h(&c, r, 0, more, 8, end_one, &e), 0);
	assert_int_equal(device_h2d(&other, r, 0, host, 8, end_one, &e),
			 E_BUG);
	assert_int_equal(device_pin(r, DEVICE_WRITE, &at), E_BUG);
	assert_int_equal(device_pin(r, DEVICE_READ, &at), 0);
	assert_int_equal(device_unpin(r), 0);
	assert_int_equal(device_free(r), E_BUG);
	device_close(d);        /* ends it */
	assert_int_equal(await(&e, 1), 0);
}

/* ---- what fails ---- */

static void an_allocation_can_fail(void **state)
{
	struct device_emu_options o = { .fail_alloc = 2 };
	struct device *d = open_emu(&o, 1 << 20);
	struct device_region *r;

	(void)state;
	region(d, 100);
	assert_int_equal(device_alloc(d, &r, 100), E_NOMEM);
	assert_null(r);
	assert_int_equal(device_stat(d).used, 256);
	assert_int_equal(device_check(d), 0);
	region(d, 100);
	device_close(d);
}

static void a_copy_can_fail(void **state)
{
	char from[1000], to[1000];

	(void)state;
	fill(from, sizeof(from), 1);
	for (uint64_t n = 1; n <= 6; n++) {
		struct device_emu_options o = { .seed = n, .fail_copy = n };
		struct device *d = open_emu(&o, 1 << 20);
		struct device_region *r = region(d, 1000);
		struct ended e = ENDED;
		struct device_copy c;
		int err[6];

		for (size_t i = 0; i < 6; i += 2) {
			memset(to, 0, sizeof(to));
			assert_int_equal(device_h2d(&c, r, 0, from, 1000,
						    end_one, &e), 0);
			err[i] = await(&e, 1);
			assert_int_equal(device_d2h(&c, r, 0, to, 1000,
						    end_one, &e), 0);
			err[i + 1] = await(&e, 1);
			if (n > i + 2)
				assert_memory_equal(to, from, 1000);
			else if (n == i + 2)
				assert_memory_not_equal(to, from, 1000);
		}
		for (size_t i = 0; i < 6; i++)
			assert_int_equal(err[i], i + 1 == n ? E_IO : 0);
		assert_int_equal(device_check(d), 0);
		assert_int_equal(device_stat(d).h2d + device_stat(d).d2h,
				 5000);
		device_close(d);
	}
}

static void all_ends_once(struct device *d, struct device_region *r,
			  uint64_t nth)
{
	static struct device_copy c[20];
	static char host[20][64];
	struct ended e = ENDED;
	size_t begun = 0;

	for (size_t i = 0; i < 20; i++) {
		int err = device_h2d(&c[i], r, 0, host[i], 64, end_one, &e);

		if (err)
			assert_int_equal(err, E_UNAVAIL);
		begun += !err;
	}
	assert_true(begun >= nth);
	assert_int_equal(await(&e, begun), E_UNAVAIL);
	assert_int_equal(device_stat(d).h2d, (nth - 1) * 64);
}

static void a_device_can_be_lost(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 20; n++) {
		struct device_emu_options o = { .lose_copy = n };
		struct device *d = open_emu(&o, 1 << 20);
		struct device_region *r = region(d, 64), *p = region(d, 64);
		struct device_region *other;
		struct device_copy c;
		void *at;

		assert_int_equal(device_pin(p, DEVICE_READ, &at), 0);
		all_ends_once(d, r, n);
		assert_int_equal(device_check(d), E_UNAVAIL);
		assert_string_equal(err_text(), "device emu is lost: it fell "
				    "off the bus");
		assert_int_equal(device_alloc(d, &other, 1), E_UNAVAIL);
		assert_int_equal(device_pin(r, DEVICE_READ, &at), E_UNAVAIL);
		assert_int_equal(device_d2h(&c, r, 0, at, 1, end_one, NULL),
				 E_UNAVAIL);
		assert_int_equal(device_unpin(p), 0);
		assert_int_equal(device_free(p), 0);
		device_close(d);
	}
}

static void a_pin_can_fail(void **state)
{
	struct device_emu_options o = { .fail_pin = 3 };
	struct device *d = open_emu(&o, 1 << 20);
	struct device_region *r = region(d, 64);
	void *at;

	(void)state;
	assert_int_equal(device_pin(r, DEVICE_READ, &at), 0);
	assert_int_equal(device_pin(r, DEVICE_READ, &at), 0);
	assert_int_equal(device_pin(r, DEVICE_READ, &at), E_UNAVAIL);
	assert_null(at);
	assert_int_equal(device_check(d), E_UNAVAIL);
	assert_int_equal(device_unpin(r), 0);
	assert_int_equal(device_unpin(r), 0);
	assert_int_equal(device_unpin(r), E_BUG);
	assert_int_equal(device_free(r), 0);
	device_close(d);
}

static void copies_take_time(void **state)
{
	struct device_emu_options o = { .latency = 0.01, .bandwidth = 1e6 };
	struct device *d = open_emu(&o, 1 << 20);
	struct device_region *r = region(d, 10000);
	struct ended e = ENDED;
	struct device_copy c;
	char host[10000] = "";
	double t = os_seconds();

	(void)state;
	assert_int_equal(device_h2d(&c, r, 0, host, sizeof(host), end_one,
				    &e), 0);
	assert_int_equal(await(&e, 1), 0);
	assert_true(os_seconds() - t >= 0.02);
	device_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(touching_outside_a_pin_faults),
		cmocka_unit_test(fresh_memory_is_poisoned),
		cmocka_unit_test(queues_overtake_each_other),
		cmocka_unit_test(a_seed_is_an_order),
		cmocka_unit_test(a_copy_under_way_excludes),
		cmocka_unit_test(an_allocation_can_fail),
		cmocka_unit_test(a_copy_can_fail),
		cmocka_unit_test(a_device_can_be_lost),
		cmocka_unit_test(a_pin_can_fail),
		cmocka_unit_test(copies_take_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
