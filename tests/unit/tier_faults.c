/*
 * tier - copies that fail, memory that is short, devices that are lost: each
 * with its defined end, and never other bytes
 */
#include "tests/unit/tiers.h"

/* Runs a plan of a seed on a device with faults. */
static int run_with(struct world *w, struct dice *d,
		    const struct device_emu_options *emu)
{
	const struct device_kind *kind = device_find("emu");
	int err;

	assert_true(world_open(w, kind, emu));
	err = run_plan(w, &w->made.plan, laps(w, d), kind);
	if (!err)
		err = run_check(w, kind);
	if (err) {      /* it stays at that */
		char text[1024];

		snprintf(text, sizeof(text), "%s", err_text());
		assert_int_equal(tier_begin(w->tier), err);
		assert_int_equal(tier_plan(w->tier, &w->made.plan), err);
		assert_string_equal(err_text(), text);
	}
	return err;
}

static void a_copy_is_tried_again(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++)
		for (uint64_t n = 1; n < 12; n += 1 + seed % 3) {
			struct dice d = { rng_of(seed, "tier"), 0 };
			struct device_emu_options emu = { .seed = seed,
							  .fail_copy = n };
			struct world *w = fresh(&d, 1);

			assert_int_equal(run_with(w, &d, &emu), 0);
			assert_null(tier_warning(w->tier));
			world_close(w);
		}
}

static void a_copy_that_fails_twice_is_an_error(void **state)
{
	int seen = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct dice d = { rng_of(seed, "tier"), 0 };
		struct device_emu_options emu = { .seed = seed,
						  .fail_copy = 1 + seed / 4,
						  .fail_more = 1000000 };
		struct world *w = fresh(&d, 1);
		int err = run_with(w, &d, &emu);

		assert_true(!err || err == E_IO);
		if (err)
			assert_non_null(strstr(err_text(),
					       "could not be copied"));
		seen += err != 0;
		world_close(w);
	}
	assert_true(seen > 20);
}

/* The host is not to blame on the device, nor dropped for it. */
static void an_error_of_the_host_is_passed_on(void **state)
{
	int seen = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct dice d = { rng_of(seed, "tier"), 0 };
		struct device_emu_options emu = { .seed = seed };
		struct world *w = fresh(&d, 1);
		int err;

		w->lie = 1 + seed / 2;
		err = run_with(w, &d, &emu);
		assert_true(!err || err == E_DATA);
		if (err)
			assert_non_null(strstr(err_text(), "is damaged"));
		assert_null(tier_warning(w->tier));
		seen += err != 0;
		world_close(w);
	}
	assert_true(seen > 10);
}

/* What may come of a device that is given up: the host goes on with the same
 * bytes, or it cannot. */
struct ends {
	int well, gave_up, unfit, lost;
};

static void count_end(struct world *w, int err, struct ends *e)
{
	const char *why = tier_warning(w->tier);

	if (!err && !why) {
		e->well++;
		return;
	}
	assert_null(tier_warning(w->tier));
	if (!err) {
		e->gave_up++;
		assert_null(tier_device(w->tier));
		return;
	}
	assert_int_equal(err, E_UNAVAIL);
	if (strstr(err_text(), "that were changed there are gone"))
		e->lost++;
	else
		e->unfit++;
}

static void each_fault(int writes, int small,
		       void (*set)(struct device_emu_options *o, uint64_t n),
		       struct ends *e)
{
	for (uint64_t seed = 0; seed < 25; seed++)
		for (uint64_t n = 1; n < 16; n += 1 + (seed + n) % 3) {
			struct dice d = { rng_of(seed, "fault"), 0 };
			struct device_emu_options emu = {
				.seed = seed, .latency = n % 2 ? 0 : 3e-5,
			};
			struct world *w = fresh(&d, writes);
			int err;

			w->host_budget = small ? w->made.largest :
						 w->made.least + UNIT;
			set(&emu, n);
			err = run_with(w, &d, &emu);
			count_end(w, err, e);
			/* The host had room for a step, or had not. */
			assert_true(!e->unfit || small);
			world_close(w);
		}
}

static void set_lose(struct device_emu_options *o, uint64_t n)
{
	o->lose_copy = n;
}

static void set_pin(struct device_emu_options *o, uint64_t n)
{
	o->fail_pin = n;
}

static void set_alloc(struct device_emu_options *o, uint64_t n)
{
	o->fail_alloc = n;
}

static void a_lost_device_is_given_up(void **state)
{
	struct ends e = { 0 };

	(void)state;
	each_fault(0, 0, set_lose, &e);
	each_fault(0, 0, set_pin, &e);
	assert_true(e.gave_up > 50);
	assert_int_equal(e.lost, 0);
}

static void changed_pages_that_are_lost_are_an_error(void **state)
{
	struct ends e = { 0 };

	(void)state;
	each_fault(1, 0, set_lose, &e);
	each_fault(1, 0, set_pin, &e);
	assert_true(e.gave_up > 50);
	assert_true(e.lost > 50);
}

static void a_device_short_of_memory_loses_nothing(void **state)
{
	struct ends e = { 0 };

	(void)state;
	each_fault(1, 0, set_alloc, &e);
	assert_true(e.gave_up > 50);
	assert_int_equal(e.lost, 0);
}

static void the_host_must_have_room(void **state)
{
	struct ends e = { 0 };

	(void)state;
	each_fault(0, 1, set_lose, &e);
	assert_true(e.unfit > 20);
	assert_true(e.gave_up > 20);
	assert_int_equal(e.lost, 0);
}

/* One fault or several, whichever comes first. */
static void set_any(struct world *w, struct dice *d,
		    struct device_emu_options *o)
{
	uint64_t *at[] = { &o->fail_alloc, &o->fail_pin, &o->fail_copy,
			   &o->lose_copy, &w->lie, &w->full };

	for (size_t i = 0; i < sizeof(at) / sizeof(*at); i++)
		if (!roll(d, 3))
			*at[i] = 1 + roll(d, 40);
	o->fail_more = roll(d, 3);
}

/* Loads, stores and copies in random order that fail, on a device that may be
 * lost: a wrong number would fail in compute_step(). */
static void faults_that_meet_have_an_end_of_one(void **state)
{
	int seen[E_CONFIG + 1] = { 0 };

	(void)state;
	for (uint64_t seed = 0; seed < 400; seed++) {
		struct dice d = { rng_of(seed, "any"), 0 };
		struct device_emu_options emu = {
			.seed = seed, .latency = seed % 2 ? 0 : 3e-5,
		};
		struct world *w = fresh(&d, 1);
		int err;

		if (roll(&d, 2))
			w->host_budget = w->made.least + UNIT;
		set_any(w, &d, &emu);
		err = run_with(w, &d, &emu);
		assert_true(!err || err == E_IO || err == E_DATA ||
			    err == E_UNAVAIL);
		seen[err]++;
		world_close(w);
	}
	assert_true(seen[0] > 40 && seen[E_IO] > 5 && seen[E_DATA] > 20 &&
		    seen[E_UNAVAIL] > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_tried_again),
		cmocka_unit_test(a_copy_that_fails_twice_is_an_error),
		cmocka_unit_test(an_error_of_the_host_is_passed_on),
		cmocka_unit_test(a_lost_device_is_given_up),
		cmocka_unit_test(changed_pages_that_are_lost_are_an_error),
		cmocka_unit_test(a_device_short_of_memory_loses_nothing),
		cmocka_unit_test(the_host_must_have_room),
		cmocka_unit_test(faults_that_meet_have_an_end_of_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
