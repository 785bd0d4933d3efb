/*
 * What every kind of device keeps to. Who includes this defines
 *
 *   static const struct device_kind *law_kind(size_t i);
 *
 * A kind whose device is not here is skipped.
 */
#ifndef TESTS_UNIT_DEVICE_LAWS_H
#define TESTS_UNIT_DEVICE_LAWS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/size.h"
#include "device/device.h"
#include "tests/unit/devices.h"

enum { MIB = 1 << 20, BUDGET = 16 * MIB };

static const struct device_kind *law_kind(size_t i); /* or NULL */

static int said;                /* which are not here */

/* 0: there is no such device here. */
static int open_kind(struct device **d, const struct device_kind *k,
		     size_t budget)
{
	struct device_options o = { .budget = budget };
	int err = device_open(d, k, &o);

	if (err == E_UNAVAIL) {
		if (!said)
			print_message("# no %s\n", err_text());
		return 0;
	}
	if (err)
		fail_msg("%s: %d %s", device_name(k), err, err_text());
	return 1;
}

/* Runs a test on every kind. */
static void each_kind(void (*test)(struct device *d), size_t budget)
{
	const struct device_kind *k;
	struct device *d;

	for (size_t i = 0; (k = law_kind(i)); i++) {
		if (!open_kind(&d, k, budget))
			continue;
		test(d);
		assert_int_equal(device_check(d), 0);
		device_close(d);
	}
	said = 1;
}

static struct device_region *region(struct device *d, size_t n)
{
	struct device_region *r;

	if (device_alloc(d, &r, n))
		fail_msg("%zu bytes: %s", n, err_text());
	return r;
}

static void copy_up(struct device_region *r, size_t at, const void *from,
		    size_t n)
{
	struct ended e = ENDED;
	struct device_copy c;

	assert_int_equal(device_h2d(&c, r, at, from, n, end_one, &e), 0);
	assert_int_equal(await(&e, 1), 0);
}

static void copy_down(struct device_region *r, size_t at, void *to, size_t n)
{
	struct ended e = ENDED;
	struct device_copy c;

	assert_int_equal(device_d2h(&c, r, at, to, n, end_one, &e), 0);
	assert_int_equal(await(&e, 1), 0);
}

/* ---- copies ---- */

static void one_size(struct device *d, size_t n)
{
	struct device_region *r = region(d, n);
	char *from = malloc(n), *to = malloc(n + 1);

	assert_true(from && to);
	fill(from, n, n);
	to[n] = 77;
	copy_up(r, 0, from, n);
	memset(to, 0, n);
	copy_down(r, 0, to, n);
	assert_memory_equal(to, from, n);
	assert_int_equal(to[n], 77);
	if (n > 2) {
		copy_up(r, n / 2, from, n - n / 2);
		memset(to, 0, n);
		copy_down(r, 1, to, n - 1);
		assert_memory_equal(to, from + 1, n / 2 - 1);
		assert_memory_equal(to + n / 2 - 1, from, n - n / 2);
	}
	assert_int_equal(device_free(r), 0);
	free(from);
	free(to);
}

static void sizes(struct device *d)
{
	static const size_t n[] = { 1, 2, 3, 255, 256, 257, 4095, 4096, 4097,
				    MIB - 1, MIB, MIB + 1, 5 * MIB + 7 };
	struct device_stat s;
	uint64_t h2d = 0;

	for (size_t i = 0; i < NELEM(n); i++) {
		one_size(d, n[i]);
		h2d += n[i] + (n[i] > 2 ? n[i] - n[i] / 2 : 0);
	}
	s = device_stat(d);
	assert_int_equal(s.used, 0);
	assert_int_equal(s.regions, 0);
	assert_int_equal(s.h2d, h2d);
	assert_int_equal(s.peak, 5 * MIB + DEVICE_ALIGN);
}

static void what_goes_up_comes_back(void **state)
{
	(void)state;
	each_kind(sizes, BUDGET);
}

enum { MANY = 300, SMALL = 3000 };

/* One of many copies, which writes down when it ended. */
struct numbered {
	struct device_copy copy;
	struct ended *ended;
	size_t *order, *norder;
	size_t i;
};

static void end_numbered(void *ctx, int err)
{
	struct numbered *n = ctx;

	pthread_mutex_lock(&n->ended->lock);
	n->order[(*n->norder)++] = n->i;
	pthread_mutex_unlock(&n->ended->lock);
	end_one(n->ended, err);
}

static void order(struct device *d)
{
	static struct numbered up[MANY], down[MANY];
	static size_t up_order[MANY], down_order[MANY];
	static char from[MANY][SMALL], to[MANY][SMALL], old[SMALL];
	struct device_region *a = region(d, MANY * SMALL);
	struct device_region *b = region(d, SMALL);
	struct ended e = ENDED;
	size_t nup = 0, ndown = 0;

	fill(from, sizeof(from), 1);
	fill(old, sizeof(old), 2);
	copy_up(b, 0, old, SMALL);
	for (size_t i = 0; i < MANY; i++) {
		up[i] = (struct numbered){ .ended = &e, .order = up_order,
					   .norder = &nup, .i = i };
		down[i] = (struct numbered){ .ended = &e, .order = down_order,
					     .norder = &ndown, .i = i };
		assert_int_equal(device_h2d(&up[i].copy, a, i * SMALL, from[i],
					    SMALL, end_numbered, &up[i]), 0);
		assert_int_equal(device_d2h(&down[i].copy, b, 0, to[i], SMALL,
					    end_numbered, &down[i]), 0);
	}
	assert_int_equal(await(&e, (size_t)2 * MANY), 0);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(up_order[i], i);
		assert_int_equal(down_order[i], i);
		assert_memory_equal(to[i], old, SMALL);
	}
	copy_down(a, 0, to, sizeof(to));
	assert_memory_equal(to, from, sizeof(to));
}

static void a_queue_is_in_order(void **state)
{
	(void)state;
	each_kind(order, BUDGET);
}

struct nosy {
	struct ended ended;
	struct device *device;
	struct device_region *region;
	int code[5];
};

static void ask_from_inside(void *ctx, int err)
{
	static struct device_copy c;
	struct nosy *n = ctx;
	struct device_region *r;
	void *at;

	n->code[0] = device_alloc(n->device, &r, 1);
	n->code[1] = device_pin(n->region, DEVICE_READ, &at);
	n->code[2] = device_unpin(n->region);
	n->code[3] = device_free(n->region);
	n->code[4] = device_h2d(&c, n->region, 0, "x", 1, end_one, n);
	end_one(&n->ended, err);
}

static void inside(struct device *d)
{
	struct nosy n = { .ended = ENDED, .device = d,
			  .region = region(d, 1) };
	struct device_copy c;

	assert_int_equal(device_h2d(&c, n.region, 0, "y", 1, ask_from_inside,
				    &n), 0);
	assert_int_equal(await(&n.ended, 1), 0);
	for (size_t i = 0; i < NELEM(n.code); i++)
		assert_int_equal(n.code[i], E_BUG);
}

static void done_may_only_signal(void **state)
{
	(void)state;
	each_kind(inside, BUDGET);
}

/* ---- the budget ---- */

static void brim(struct device *d)
{
	struct device_region *r[16], *one;

	for (size_t i = 0; i < 16; i++)
		r[i] = region(d, MIB - (i % 2) * (DEVICE_ALIGN - 1));
	assert_int_equal(device_stat(d).used, BUDGET);
	assert_int_equal(device_alloc(d, &one, 1), E_NOMEM);
	assert_null(one);
	assert_non_null(strstr(err_text(), "1 bytes are asked for and 0 of "
			       "16777216 are free"));
	assert_int_equal(device_free(r[3]), 0);
	assert_int_equal(device_alloc(d, &one, MIB + 1), E_NOMEM);
	assert_int_equal(device_alloc(d, &one, SIZE_MAX), E_NOMEM);
	assert_int_equal(device_alloc(d, &one, SIZE_MAX - 255), E_NOMEM);
	assert_int_equal(device_alloc(d, &one, 0), E_BUG);
	assert_int_equal(device_stat(d).used, BUDGET - MIB);
	r[3] = region(d, MIB);
	assert_int_equal(device_stat(d).peak, BUDGET);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(device_free(r[i]), 0);
	assert_int_equal(device_stat(d).used, BUDGET / 2);
	assert_int_equal(device_stat(d).regions, 8);
}

static void the_budget_holds(void **state)
{
	(void)state;
	each_kind(brim, BUDGET);
}

static void a_budget_is_checked(void **state)
{
	static const size_t bad[] = { 0, 1, DEVICE_ALIGN - 1, SIZE_MAX,
				      (size_t)PTRDIFF_MAX + 1 };
	const struct device_kind *k;
	struct device *d;

	(void)state;
	for (size_t i = 0; (k = law_kind(i)); i++)
		for (size_t n = 0; n < NELEM(bad); n++) {
			struct device_options o = { .budget = bad[n] };

			assert_int_equal(device_open(&d, k, &o), E_BUG);
			assert_null(d);
		}
	device_close(NULL);
}

#include "tests/unit/device_laws_use.h"

#define DEVICE_LAWS                                             \
	cmocka_unit_test(what_goes_up_comes_back),              \
	cmocka_unit_test(a_queue_is_in_order),                  \
	cmocka_unit_test(done_may_only_signal),                 \
	cmocka_unit_test(the_budget_holds),                     \
	cmocka_unit_test(a_budget_is_checked),                  \
	cmocka_unit_test(copies_stay_inside),                   \
	cmocka_unit_test(pins_exclude_each_other),              \
	cmocka_unit_test(a_pin_is_for_computing),               \
	cmocka_unit_test(threads_share_a_device)

#endif
