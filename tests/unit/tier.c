/*
 * tier - pages on a device give the bytes that they give on the host: random
 * plans, budgets and orders of copies, on every kind of device
 */
#include "tests/unit/tiers.h"

#include <time.h>

/* ---- the same bytes ---- */

/* 0: the kind has no device here. */
static int one_plan(const struct device_kind *kind, uint64_t seed)
{
	struct dice d = { rng_of(seed, "tier"), 0 };
	struct device_emu_options emu = {
		.seed = seed, .latency = seed % 3 ? 0 : 3e-5,
	};
	struct world *w = fresh(&d, 1);
	size_t steps = laps(w, &d);
	struct tier_stats s;

	if (!world_open(w, kind, &emu))
		return 0;
	if (run_plan(w, &w->made.plan, steps, kind) || run_check(w, kind))
		fail_msg("seed %d: %s", (int)seed, err_text());
	assert_null(tier_warning(w->tier));
	assert_ptr_equal(tier_device(w->tier), w->device);
	tier_statistics(w->tier, &s);
	assert_int_equal(s.steps, w->steps);
	world_close(w);
	return 1;
}

static void a_device_gives_the_hosts_bytes(void **state)
{
	const struct device_kind *kind;

	(void)state;
	for (size_t i = 0; (kind = device_at(i)); i++) {
		int n = kind == device_find("emu") ? 300 : 50;

		for (int seed = 0; seed < n; seed++)
			if (!one_plan(kind, (uint64_t)seed))
				break;
	}
}

/* Six pages that change one after the other, some on the device and some in
 * the host's memory: whenever the plan is left, the host has let go of some
 * that were to come back changed. */
static void what_the_host_let_go_is_not_lost(void **state)
{
	const struct device_kind *kind = device_find("emu");

	(void)state;
	for (uint64_t seed = 0; seed < 120; seed++) {
		struct dice d = { rng_of(seed, "let go"), 0 };
		struct device_emu_options emu = { .seed = seed,
						  .latency = 2e-4 };
		struct world *w = fresh(&d, 1);
		struct made *m = &w->made;

		m->npage = 6;
		m->plan.nstep = 6;
		m->plan.repeat = 1;
		for (size_t i = 0; i < 6; i++) {
			m->units[i] = 1;
			m->use[i] = (struct page_use){ (uint32_t)i,
						       PAGE_WRITE };
			m->start[i + 1] = i + 1;
		}
		w->device_budget = (size_t)(3 + seed % 2) * UNIT;
		w->host_budget = (size_t)(1 + seed / 2 % 5) * UNIT;
		assert_true(world_open(w, kind, &emu));
		assert_int_equal(run_plan(w, &m->plan, 7 + roll(&d, 12),
					  kind), 0);
		assert_int_equal(run_check(w, kind), 0);
		world_close(w);
	}
}

/* Time for the copying thread to come as far as it can. */
static void wait_ms(long ms)
{
	struct timespec t = { 0, ms * 1000000 };

	nanosleep(&t, NULL);
}

/* Three pages; the first is read, then written, and has to leave the device
 * for the others; the host has room for one. */
static struct world *three_pages(const struct device_emu_options *emu)
{
	static const struct page_use uses[] = {
		{ 0, PAGE_READ }, { 0, PAGE_WRITE }, { 1, PAGE_READ },
		{ 2, PAGE_READ },
	};
	struct dice d = { rng_of(1, "three"), 0 };
	struct world *w = fresh(&d, 1);
	struct made *m = &w->made;

	m->npage = 3;
	m->plan.nstep = NELEM(uses);
	m->plan.repeat = 1;
	for (size_t i = 0; i < m->npage; i++)
		m->units[i] = 1;
	for (size_t i = 0; i < NELEM(uses); i++) {
		m->use[i] = uses[i];
		m->start[i + 1] = i + 1;
	}
	w->device_budget = 2 * UNIT;
	w->host_budget = UNIT;
	assert_true(world_open(w, device_find("emu"), emu));
	return w;
}

/* The first page is on the device, has not been changed yet, and the host has
 * already made room for what is to come back. */
static void a_page_that_was_to_come_back_is_not_lost(void **state)
{
	const struct device_kind *kind = device_find("emu");

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct device_emu_options emu = { 0 };
		struct world *w = three_pages(&emu);

		assert_int_equal(run_plan(w, &w->made.plan, 1, kind), 0);
		wait_ms(10);
		assert_int_equal(run_check(w, kind), 0);
		world_close(w);
	}
}

/* The first page is newer than the disk's, and is left while it is on its way
 * to the device (no step was done), or when it has come there (one). */
static void a_page_on_its_way_is_not_lost(void **state)
{
	const struct device_kind *kind = device_find("emu");
	static const struct page_use first = { 0, PAGE_WRITE };
	static const size_t start[] = { 0, 1 };
	static const struct page_plan change = { &first, start, 1, 0 };

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		struct device_emu_options emu = { .latency = 0.01 };
		struct world *w = three_pages(&emu);

		assert_int_equal(run_plan(w, &change, 1, kind), 0);
		assert_int_equal(run_plan(w, &w->made.plan, i % 2, kind), 0);
		wait_ms(3);
		assert_int_equal(run_check(w, kind), 0);
		world_close(w);
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

static void drain(struct pages *s)
{
	enum page_move how;
	size_t page;

	while ((how = pages_next(s, &page)) != MOVE_NONE)
		if (how == MOVE_LOAD)
			pages_done(s, page, 0);
}

/* The device's loads are those that its schedule alone makes, and the host's
 * are no more than one for each. */
static void loads_are_the_schedules(void **state)
{
	const struct device_kind *emu = device_find("emu");

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct dice d = { rng_of(seed, "loads"), 0 };
		struct world *w = fresh(&d, 0);
		struct page_plan *p = &w->made.plan;
		size_t bytes[MOST];
		struct pager_stats host;
		struct tier_stats s;
		struct pages *alone;

		p->repeat = 0;
		assert_true(world_open(w, emu, NULL));
		assert_int_equal(run_plan(w, p, p->nstep, emu), 0);
		for (size_t i = 0; i < w->made.npage; i++)
			bytes[i] = w->page[i].bytes;
		assert_int_equal(pages_new(&alone, bytes, w->made.npage,
					   w->device_budget), 0);
		assert_int_equal(pages_plan(alone, p), 0);
		drain(alone);
		for (size_t i = 0; i < p->nstep; i++) {
			assert_int_equal(pages_begin(alone), 0);
			pages_end(alone);
			drain(alone);
		}
		tier_statistics(w->tier, &s);
		pager_statistics(w->host, &host);
		assert_int_equal(s.loads, pages_loads(alone));
		assert_int_equal(s.stores, 0);
		assert_true(host.loads <= s.loads);
		pages_free(alone);
		world_close(w);
	}
}

/* ---- budgets ---- */

static void a_step_too_large_for_the_device(void **state)
{
	const struct device_kind *kind = device_find("emu");

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct dice d = { rng_of(seed, "tier"), 0 };
		struct world *w = fresh(&d, 1);

		w->device_budget = w->made.step - 1;
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
		cmocka_unit_test(what_the_host_let_go_is_not_lost),
		cmocka_unit_test(a_page_that_was_to_come_back_is_not_lost),
		cmocka_unit_test(a_page_on_its_way_is_not_lost),
		cmocka_unit_test(no_device_is_the_host),
		cmocka_unit_test(loads_are_the_schedules),
		cmocka_unit_test(a_step_too_large_for_the_device),
		cmocka_unit_test(a_page_too_large_for_the_host),
		cmocka_unit_test(a_tier_may_be_left_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
