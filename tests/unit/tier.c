/*
 * tier - pages on a device give the bytes that they give on the host: random
 * plans, budgets and orders of copies; copies that fail, memory that is short,
 * devices that are lost
 */
#include "tests/unit/tiers.h"

static struct world world;

/* Budgets that hold a step, and a little more or a lot. */
static size_t budget(struct dice *d, size_t least)
{
	return least + roll(d, 4) * UNIT * (roll(d, 2) ? 1 : 8);
}

static struct world *fresh(struct dice *d, int writes)
{
	memset(&world, 0, sizeof(world));
	make(&world.made, d, writes);
	world.device_budget = budget(d, world.made.least);
	world.host_budget = budget(d, world.made.largest);
	return &world;
}

static size_t laps(const struct world *w, struct dice *d)
{
	return w->made.plan.repeat ? w->made.plan.nstep * (1 + roll(d, 5)) :
				     w->made.plan.nstep;
}

/* ---- the same bytes ---- */

static void one_plan(const struct device_kind *kind, uint64_t seed)
{
	struct dice d = { rng_of(seed, "tier"), 0 };
	struct device_emu_options emu = { .seed = seed };
	struct world *w = fresh(&d, 1);
	size_t steps = laps(w, &d);
	struct tier_stats s;

	if (!world_open(w, kind, &emu))
		return;
	if (run_plan(w, &w->made.plan, steps, kind) || run_check(w, kind))
		fail_msg("seed %d: %s", (int)seed, err_text());
	assert_null(tier_warning(w->tier));
	assert_ptr_equal(tier_device(w->tier), w->device);
	tier_statistics(w->tier, &s);
	assert_int_equal(s.steps, steps + w->made.npage);
	world_close(w);
}

static void a_device_gives_the_hosts_bytes(void **state)
{
	const struct device_kind *kind;

	(void)state;
	for (size_t i = 0; (kind = device_at(i)); i++) {
		int n = kind == device_find("emu") ? 300 : 50;

		for (int seed = 0; seed < n; seed++)
			one_plan(kind, (uint64_t)seed);
	}
}

/* With no device the tier is the host's pager. */
static void no_device_is_the_host(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct dice d = { rng_of(seed, "host"), 0 };
		struct world *w = fresh(&d, 1);

		w->host_budget = budget(&d, w->made.least);
		assert_true(world_open(w, NULL, NULL));
		assert_int_equal(run_plan(w, &w->made.plan, laps(w, &d),
					  NULL), 0);
		assert_int_equal(run_check(w, NULL), 0);
		assert_null(tier_device(w->tier));
		world_close(w);
	}
}

/* The device's loads are those that its schedule alone makes. */
static void loads_are_the_schedules(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct dice d = { rng_of(seed, "loads"), 0 };
		struct world *w = fresh(&d, 0);
		const struct page_plan *p = &w->made.plan;
		const struct device_kind *emu = device_find("emu");
		size_t bytes[MOST], page, n = laps(w, &d);
		struct tier_stats s;
		struct pages *alone;

		assert_true(world_open(w, emu, NULL));
		assert_int_equal(run_plan(w, p, n, emu), 0);
		for (size_t i = 0; i < w->made.npage; i++)
			bytes[i] = w->page[i].bytes;
		assert_int_equal(pages_new(&alone, bytes, w->made.npage,
					   w->device_budget), 0);
		assert_int_equal(pages_plan(alone, p), 0);
		for (size_t i = 0; i < n; i++) {
			enum page_move how;

			while ((how = pages_next(alone, &page)))
				if (how == MOVE_LOAD)
					pages_done(alone, page, 0);
			assert_int_equal(pages_begin(alone), 0);
			assert_int_equal(pages_ready(alone, &page), 1);
			if (i + 1 < n)
				pages_end(alone);
		}
		tier_statistics(w->tier, &s);
		assert_true(s.loads <= pages_loads(alone));
		assert_int_equal(s.stores, 0);
		pages_free(alone);
		world_close(w);
	}
}

/* ---- what fails ---- */

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
	assert_non_null(why);
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
			struct device_emu_options emu = { .seed = seed };
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

static void a_step_too_large_for_the_device(void **state)
{
	const struct device_kind *kind = device_find("emu");

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct dice d = { rng_of(seed, "tier"), 0 };
		struct world *w = fresh(&d, 1);

		w->device_budget = w->made.least - 1;
		w->host_budget = w->made.least;
		assert_true(world_open(w, kind, NULL));
		assert_int_equal(run_plan(w, &w->made.plan, laps(w, &d),
					  kind), 0);
		assert_non_null(strstr(tier_warning(w->tier),
				       "and the device has"));
		assert_null(tier_device(w->tier));
		assert_int_equal(run_check(w, kind), 0);
		world_close(w);
	}
}

static void a_page_too_large_for_the_host(void **state)
{
	const struct device_kind *kind = device_find("emu");
	int seen = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct dice d = { rng_of(seed, "tier"), 0 };
		struct world *w = fresh(&d, 0);
		int err;

		w->host_budget = w->made.largest - 1;
		assert_true(world_open(w, kind, NULL));
		err = run_plan(w, &w->made.plan, 1, kind);
		assert_true(!err || err == E_NOMEM);
		seen += err == E_NOMEM;
		world_close(w);
	}
	assert_true(seen > 10);
}

static void a_tier_may_be_left_at_any_time(void **state)
{
	const struct device_kind *kind = device_find("emu");

	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct dice d = { rng_of(seed, "tier"), 0 };
		struct device_emu_options emu = { .seed = seed,
						  .latency = 1e-4 };
		struct world *w = fresh(&d, 1);
		size_t n = roll(&d, 6);

		assert_true(world_open(w, kind, &emu));
		assert_int_equal(run_plan(w, &w->made.plan, n, kind), 0);
		if (roll(&d, 2) && n < w->made.plan.nstep)
			assert_int_equal(tier_begin(w->tier), 0);
		world_close(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_gives_the_hosts_bytes),
		cmocka_unit_test(no_device_is_the_host),
		cmocka_unit_test(loads_are_the_schedules),
		cmocka_unit_test(a_copy_is_tried_again),
		cmocka_unit_test(a_copy_that_fails_twice_is_an_error),
		cmocka_unit_test(an_error_of_the_host_is_passed_on),
		cmocka_unit_test(a_lost_device_is_given_up),
		cmocka_unit_test(changed_pages_that_are_lost_are_an_error),
		cmocka_unit_test(a_device_short_of_memory_loses_nothing),
		cmocka_unit_test(the_host_must_have_room),
		cmocka_unit_test(a_step_too_large_for_the_device),
		cmocka_unit_test(a_page_too_large_for_the_host),
		cmocka_unit_test(a_tier_may_be_left_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
