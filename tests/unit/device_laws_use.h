/* The laws of use: bounds, pins, threads. A part of device_laws.h. */
#ifndef TESTS_UNIT_DEVICE_LAWS_USE_H
#define TESTS_UNIT_DEVICE_LAWS_USE_H

/* ---- misuse ---- */

static int up_code(struct device_region *r, size_t at, size_t n)
{
	static struct device_copy c;
	static char byte[1];

	return device_h2d(&c, r, at, byte, n, end_one, NULL);
}

static int down_code(struct device_region *r, size_t at, size_t n)
{
	static struct device_copy c;
	static char byte[1];

	return device_d2h(&c, r, at, byte, n, end_one, NULL);
}

static void bounds(struct device *d)
{
	static const size_t at_n[][2] = {
		{ 0, 0 }, { 0, 513 }, { 1, 512 }, { 512, 1 }, { 513, 1 },
		{ 513, 0 }, { SIZE_MAX, 1 }, { SIZE_MAX, 2 },
		{ 1, SIZE_MAX }, { 512, SIZE_MAX }, { SIZE_MAX, SIZE_MAX },
	};
	struct device_region *r = region(d, 512);

	for (size_t i = 0; i < NELEM(at_n); i++) {
		assert_int_equal(up_code(r, at_n[i][0], at_n[i][1]), E_BUG);
		assert_int_equal(down_code(r, at_n[i][0], at_n[i][1]), E_BUG);
	}
	assert_int_equal(device_stat(d).copying, 0);
	copy_up(r, 511, "z", 1);
}

static void copies_stay_inside(void **state)
{
	(void)state;
	each_kind(bounds, BUDGET);
}

static void pins(struct device *d)
{
	struct device_region *r = region(d, 1000);
	void *a, *b;

	assert_int_equal(device_unpin(r), E_BUG);
	assert_int_equal(device_pin(r, DEVICE_READ, &a), 0);
	assert_int_equal(device_pin(r, DEVICE_READ, &b), 0);
	assert_ptr_equal(a, b);
	assert_int_equal((uintptr_t)a % DEVICE_ALIGN, 0);
	assert_int_equal(device_pin(r, DEVICE_WRITE, &b), E_BUG);
	assert_null(b);
	assert_int_equal(up_code(r, 0, 1), E_BUG);
	assert_int_equal(device_free(r), E_BUG);
	copy_down(r, 0, &b, sizeof(b));
	assert_int_equal(device_unpin(r), 0);
	assert_int_equal(device_unpin(r), 0);
	assert_int_equal(device_unpin(r), E_BUG);
	assert_int_equal(device_pin(r, DEVICE_WRITE, &a), 0);
	assert_int_equal(device_pin(r, DEVICE_READ, &b), E_BUG);
	assert_int_equal(device_pin(r, DEVICE_WRITE, &b), E_BUG);
	assert_int_equal(up_code(r, 0, 1), E_BUG);
	assert_int_equal(down_code(r, 0, 1), E_BUG);
	assert_int_equal(device_unpin(r), 0);
	assert_int_equal(device_free(r), 0);
	r = region(d, 1);       /* closed while pinned */
	assert_int_equal(device_pin(r, DEVICE_WRITE, &a), 0);
}

static void pins_exclude_each_other(void **state)
{
	(void)state;
	each_kind(pins, BUDGET);
}

static void compute(struct device *d)
{
	struct device_region *r = region(d, 10000);
	char seen[10000], want[10000];
	char *at;

	fill(want, sizeof(want), 3);
	copy_up(r, 0, want, sizeof(want));
	assert_int_equal(device_pin(r, DEVICE_WRITE, (void **)&at), 0);
	assert_memory_equal(at, want, sizeof(want));
	for (size_t i = 0; i < sizeof(want); i++) {
		at[i] ^= 0x5a;
		want[i] ^= 0x5a;
	}
	assert_int_equal(device_unpin(r), 0);
	copy_down(r, 0, seen, sizeof(seen));
	assert_memory_equal(seen, want, sizeof(want));
}

static void a_pin_is_for_computing(void **state)
{
	const struct device_kind *k;
	struct device *d;

	(void)state;
	for (size_t i = 0; (k = law_kind(i)); i++)
		if (device_host_access(k) && open_kind(&d, k, BUDGET)) {
			compute(d);
			device_close(d);
		}
}

/* ---- many threads ---- */

enum { THREADS = 4, ROUNDS = 40 };

struct user {
	struct device *device;
	uint64_t seed, h2d;
	int bad;
};

/* Up, computed with if that can be, down, on regions of its own. */
static void *use(void *arg)
{
	struct user *u = arg;
	struct ended e = ENDED;
	static _Thread_local char from[20000], to[20000];
	struct device_copy c;
	struct device_region *r;
	void *at;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		size_t n = 1 + (size_t)(u->seed * 977 + i * 461) % sizeof(to);

		fill(from, n, u->seed + i);
		if (device_alloc(u->device, &r, n))
			continue;       /* the others have it */
		u->bad |= device_h2d(&c, r, 0, from, n, end_one, &e);
		u->bad |= await(&e, 1);
		u->h2d += n;
		u->bad |= device_pin(r, DEVICE_READ, &at);
		u->bad |= device_d2h(&c, r, 0, to, n, end_one, &e);
		u->bad |= await(&e, 1);
		u->bad |= memcmp(to, from, n) != 0;
		u->bad |= device_unpin(r);
		u->bad |= device_free(r);
		u->bad |= device_stat(u->device).used > 50000;
	}
	return NULL;
}

static void shared(struct device *d)
{
	struct user user[THREADS] = { { 0 } };
	pthread_t thread[THREADS];
	uint64_t h2d = 0;

	for (size_t i = 0; i < THREADS; i++) {
		user[i] = (struct user){ d, i + 1, 0, 0 };
		assert_int_equal(pthread_create(&thread[i], NULL, use,
						&user[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(user[i].bad, 0);
		h2d += user[i].h2d;
	}
	assert_int_equal(device_stat(d).h2d, h2d);
	assert_int_equal(device_stat(d).d2h, h2d);
	assert_int_equal(device_stat(d).used, 0);
	assert_true(h2d > 0);
}

static void threads_share_a_device(void **state)
{
	(void)state;
	each_kind(shared, 50000);
}

#endif
