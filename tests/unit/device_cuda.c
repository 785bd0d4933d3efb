/*
 * device_cuda.c over a stand-in of CUDA's runtime (tests/fake_cuda): it keeps
 * the laws of devices, and whatever call fails, every copy ends once, and
 * everything is given back.
 */
#include "tests/fake_cuda/fake_cuda.h"

#include "libcommon/device/device_cuda.c"

#include "tests/unit/device_laws.h"

static const struct device_kind *const cuda_kinds[] = {
	&device_cuda, &device_managed,
};

static const struct device_kind *law_kind(size_t i)
{
	return i < NELEM(cuda_kinds) ? cuda_kinds[i] : NULL;
}

static int fresh(void **state)
{
	(void)state;
	fake_cuda_reset();
	return 0;
}

static int given_back(void **state)
{
	(void)state;
	return fake_cuda.live != 0;
}

static struct device *cuda(void)
{
	struct device *d;

	assert_true(open_kind(&d, &device_cuda, BUDGET));
	return d;
}

/* ---- opening ---- */

static int open_code(const struct device_kind *k, size_t budget)
{
	struct device_options o = { .budget = budget };
	struct device *d;
	int err = device_open(&d, k, &o);

	assert_true(!err == (d != NULL));
	device_close(d);
	return err;
}

static void without_a_device_it_says_so(void **state)
{
	(void)state;
	fake_cuda.devices = 0;
	assert_int_equal(open_code(&device_cuda, BUDGET), E_UNAVAIL);
	assert_string_equal(err_text(), "device cuda: there is none");
	fake_cuda.no_driver = cudaErrorInsufficientDriver;
	assert_int_equal(open_code(&device_managed, BUDGET), E_UNAVAIL);
	assert_string_equal(err_text(), "device managed: cudaGetDeviceCount: "
			    "CUDA driver version is insufficient for CUDA "
			    "runtime version");
}

static void a_budget_must_be_free(void **state)
{
	(void)state;
	fake_cuda.left = BUDGET - 1;
	assert_int_equal(open_code(&device_cuda, BUDGET), E_NOMEM);
	assert_non_null(strstr(err_text(), "16777215"));
	assert_int_equal(open_code(&device_managed, BUDGET), 0);
	fake_cuda.left = BUDGET;
	assert_int_equal(open_code(&device_cuda, BUDGET), 0);
}

/* ---- what fails ---- */

/* Five pieces of a MiB at most, more than there are buffers. */
enum { BIG = 4 * MIB + 5, PIECES = 5 };

static char up[BIG], down[BIG];

/* One copy, which must end once if it was accepted. */
static void copy_once(struct device_region *r, int to_device, int *worst)
{
	static struct device_copy c[2];
	struct ended e = ENDED;
	int err;

	err = to_device ?
		device_h2d(&c[0], r, 0, up, BIG, end_one, &e) :
		device_d2h(&c[1], r, 0, down, BIG, end_one, &e);
	if (!err)
		err = await(&e, 1);
	if (err)
		*worst = err;
	assert_true(!err || err == E_UNAVAIL);
	assert_int_equal(e.n, 0);
}

/* All that a device is for. The worst code. */
static int life(const struct device_kind *k)
{
	struct device_options o = { .budget = BUDGET };
	struct device_region *r;
	struct device *d;
	int err = device_open(&d, k, &o), worst = 0;
	void *at;

	if (err)
		return err;
	err = device_alloc(d, &r, BIG);
	if (!err) {
		copy_once(r, 1, &worst);
		err = device_pin(r, DEVICE_WRITE, &at);
		if (!err)
			err = device_unpin(r);
		copy_once(r, 0, &worst);
		if (!err && !worst)
			assert_memory_equal(up, down, BIG);
		if (device_free(r))
			fail_msg("%s", err_text());
	}
	if (err)
		worst = err;
	if (device_check(d))
		worst = E_UNAVAIL;
	device_close(d);
	return worst;
}

/* Fails every call in turn, until none is left to fail. */
static void every_call(const struct device_kind *k, cudaError_t with,
		       int sticky, int want)
{
	long seen = 0, n = 1;

	for (;; n++) {
		int err;

		fake_cuda_reset();
		fake_cuda.concurrent = 1;
		fake_cuda.fail_call = n;
		fake_cuda.fail_with = with;
		fake_cuda.sticky = sticky;
		memset(down, 0, sizeof(down));
		err = life(k);
		assert_int_equal(fake_cuda.live, 0);
		if (fake_cuda.calls < n)
			break;
		assert_true(!err || err == E_UNAVAIL || err == want);
		seen += err != 0;
	}
	/* Those in closing alone may fail without a word. */
	assert_true(n > 60 && seen > n - 40);
}

static void every_call_may_fail(void **state)
{
	(void)state;
	fill(up, sizeof(up), 1);
	every_call(&device_cuda, cudaErrorIllegalAddress, 0, E_UNAVAIL);
	every_call(&device_cuda, cudaErrorIllegalAddress, 1, E_UNAVAIL);
	every_call(&device_cuda, cudaErrorMemoryAllocation, 0, E_NOMEM);
	every_call(&device_managed, cudaErrorIllegalAddress, 0, E_UNAVAIL);
}

/* A fault of the device shows later, at a call that is not to blame. */
static void a_device_may_fault(void **state)
{
	long n = 1;

	(void)state;
	for (;; n++) {
		int err;

		fake_cuda_reset();
		fake_cuda.fail_op = n;
		err = life(&device_cuda);
		assert_int_equal(fake_cuda.live, 0);
		if (fake_cuda.ops < n)
			break;
		assert_int_equal(err, E_UNAVAIL);
	}
	assert_int_equal(n, 2 * 2 * PIECES + 1);
}

static void many_end_when_it_faults(void **state)
{
	static struct device_copy c[50], b[50];
	struct device_region *r, *q;
	struct ended e = ENDED;
	struct device *d;
	size_t n = 0;

	(void)state;
	d = cuda();
	r = region(d, MIB);
	q = region(d, MIB);
	fake_cuda.fail_op = 30;
	for (size_t i = 0; i < 50; i++) {
		n += !device_h2d(&c[i], r, 0, up, MIB, end_one, &e);
		n += !device_d2h(&b[i], q, 0, down, 100, end_one, &e);
	}
	assert_true(n >= 14);
	assert_int_equal(await(&e, n), E_UNAVAIL);
	assert_int_equal(device_check(d), E_UNAVAIL);
	assert_non_null(strstr(err_text(), "an illegal memory access"));
	assert_int_equal(device_alloc(d, &r, 1), E_UNAVAIL);
	device_close(d);
	assert_int_equal(e.n, 0);
}

static void out_of_memory_is_no_loss(void **state)
{
	struct device_region *r;
	struct device *d;

	(void)state;
	d = cuda();
	fake_cuda.left = MIB;
	assert_int_equal(device_alloc(d, &r, 2 * MIB), E_NOMEM);
	assert_string_equal(err_text(), "device cuda: cudaMalloc: "
			    "out of memory");
	assert_int_equal(device_check(d), 0);
	assert_int_equal(cudaGetLastError(), cudaSuccess);
	assert_int_equal(device_stat(d).used, 0);
	r = region(d, MIB);
	copy_up(r, 0, up, MIB);
	device_close(d);
}

/* ---- how it copies ---- */

static void wait_for_copies(long n)
{
	struct timespec t = { 0, 1000000 };

	while (fake_cuda_copies() < n)
		nanosleep(&t, NULL);
}

/* Four pieces of each direction are under way before the first has ended. */
static void the_bus_is_kept_busy(void **state)
{
	struct device_copy c[2];
	struct ended e = ENDED;
	struct device_region *r, *q;
	struct device *d;

	(void)state;
	d = cuda();
	r = region(d, BIG);
	q = region(d, BIG);
	fill(up, sizeof(up), 2);
	copy_up(q, 0, up, BIG);
	memset(down, 0, sizeof(down));
	fake_cuda_hold(1);
	assert_int_equal(device_h2d(&c[0], r, 0, up, BIG, end_one, &e), 0);
	assert_int_equal(device_d2h(&c[1], q, 0, down, BIG, end_one, &e), 0);
	wait_for_copies(PIECES + 2 * BUFFERS);
	assert_int_equal(device_stat(d).copying, 2);
	fake_cuda_hold(0);
	assert_int_equal(await(&e, 2), 0);
	assert_memory_equal(up, down, BIG);
	device_close(d);
}

static void managed_memory_moves_when_pinned(void **state)
{
	(void)state;
	for (int told = 0; told < 2; told++) {
		struct device_region *r;
		struct device *d;
		void *at;

		fake_cuda.concurrent = told;
		assert_true(open_kind(&d, &device_managed, BUDGET));
		r = region(d, 1000);
		assert_int_equal(device_pin(r, DEVICE_READ, &at), 0);
		assert_int_equal(fake_cuda.prefetched, told ? 1024 : 0);
		assert_int_equal(device_unpin(r), 0);
		device_close(d);
	}
}


#define T(name) cmocka_unit_test_setup_teardown(name, fresh, given_back)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICE_LAWS,
		T(without_a_device_it_says_so),
		T(a_budget_must_be_free),
		T(every_call_may_fail),
		T(a_device_may_fault),
		T(many_end_when_it_faults),
		T(out_of_memory_is_no_loss),
		T(the_bus_is_kept_busy),
		T(managed_memory_moves_when_pinned),
	};

	return cmocka_run_group_tests(tests, fresh, given_back);
}
