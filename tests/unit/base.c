/* base - sizes, half floats, files, threads, random numbers */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/half.h"
#include "base/io.h"
#include "base/os.h"
#include "base/par.h"
#include "base/rng.h"
#include "base/size.h"

/* The nearest f16, by looking at all of them: for 2049 values between any two
 * neighbours the conversion must pick the nearer, and the even one of a tie. */
static void f16_rounds_to_the_nearest_even(void **state)
{
	(void)state;
	for (uint32_t h = 0; h < 0x7bff; h++) {
		float lo = f32_from_f16((uint16_t)h);
		float hi = f32_from_f16((uint16_t)(h + 1));
		float mid = (float)(((double)lo + hi) / 2);
		uint32_t even = h & 1 ? h + 1 : h;

		assert_int_equal(f16_from_f32(lo), h);
		assert_int_equal(f16_from_f32(-lo), h | 0x8000);
		assert_int_equal(f16_from_f32(mid), even);
		assert_int_equal(f16_from_f32(f32_from_bits(
			f32_bits(mid) + 1)), h + 1);
		assert_int_equal(f16_from_f32(f32_from_bits(
			f32_bits(mid) - 1)), h);
	}
	assert_int_equal(f16_from_f32(65520.0f), 0x7c00);
	assert_int_equal(f16_from_f32(65519.996f), 0x7bff);
	assert_true(f16_from_f32(f32_from_bits(0x7fc00001)) > 0x7c00);
}

static void bf16_rounds_to_the_nearest_even(void **state)
{
	(void)state;
	assert_int_equal(bf16_from_f32(f32_from_bits(0x3f808000)), 0x3f80);
	assert_int_equal(bf16_from_f32(f32_from_bits(0x3f818000)), 0x3f82);
	assert_int_equal(bf16_from_f32(f32_from_bits(0x3f808001)), 0x3f81);
	assert_int_equal(bf16_from_f32(f32_from_bits(0x7f7fffff)), 0x7f80);
	assert_true(bf16_from_f32(f32_from_bits(0x7f800001)) > 0x7f80);
}

static void sizes_that_do_not_fit_are_told(void **state)
{
	size_t r = 7;

	(void)state;
	assert_true(size_mul(&r, SIZE_MAX / 2, 3));
	assert_true(size_add(&r, SIZE_MAX, 1));
	assert_false(size_mul(&r, 3, 4));
	assert_int_equal(r, 12);
	assert_int_equal(size_align(65, 64), 128);
	assert_int_equal(size_ceil(7, 3), 3);
}

static void count_task(void *ctx, size_t task, size_t lane)
{
	(void)lane;
	((unsigned char *)ctx)[task]++;
}

static void every_task_runs_once(void **state)
{
	const struct timespec nap = { 0, 3000000 };
	static unsigned char ran[1000];

	(void)state;
	for (size_t lanes = 1; lanes <= 5; lanes++) {
		struct pool *p;

		assert_int_equal(pool_new(&p, lanes), 0);
		memset(ran, 0, sizeof(ran));
		for (int turn = 1; turn <= 50; turn++)
			pool_run(p, sizeof(ran), count_task, ran);
		for (size_t i = 0; i < sizeof(ran); i++)
			assert_int_equal(ran[i], 50);
		nanosleep(&nap, NULL); /* the workers fall asleep once */
		pool_run(p, sizeof(ran), count_task, ran);
		assert_int_equal(ran[999], 51);
		pool_free(p);
	}
}

static void philox_gives_the_published_numbers(void **state)
{
	/* Random123's known answers for key and counter all zeros. */
	struct rng r = { { 0, 0 }, 0, 0 };
	uint32_t w[4];

	(void)state;
	rng_words(r, 0, w);
	assert_int_equal(w[0], 0x6627e8d5);
	assert_int_equal(w[1], 0xe169c58d);
	assert_int_equal(w[2], 0xbc57ac4c);
	assert_int_equal(w[3], 0x9b00dbd8);
}

static void uniform_numbers_have_the_right_moments(void **state)
{
	struct rng r = rng_of(42, "x");
	double sum = 0, square = 0;
	enum { N = 100000 };

	(void)state;
	for (uint64_t i = 0; i < N; i++) {
		double u = rng_uniform(r, i);

		assert_true(u >= 0 && u < 1);
		sum += u;
		square += u * u;
	}
	assert_true(sum / N > 0.497 && sum / N < 0.503);
	assert_true(square / N > 0.330 && square / N < 0.337);
	assert_true(rng_uniform(r, 5) != rng_uniform(rng_of(43, "x"), 5));
	assert_true(rng_uniform(r, 5) != rng_uniform(rng_of(42, "y"), 5));
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(rng_below(r, i, 7) < 7);
}

static void normal_numbers_have_the_right_moments(void **state)
{
	struct rng r = rng_of(1, "n");
	double sum = 0, square = 0;
	enum { N = 100000 };

	(void)state;
	for (uint64_t i = 0; i < N; i++) {
		double z = rng_normal(r, i);

		sum += z;
		square += z * z;
	}
	assert_true(sum / N > -0.012 && sum / N < 0.012);
	assert_true(square / N > 0.98 && square / N < 1.02);
}

static void a_file_appears_whole_or_not_at_all(void **state)
{
	char dir[] = "/tmp/io-test-XXXXXX", path[64], *text;
	struct io_out out;
	size_t size;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	assert_int_equal(io_out_open(&out, path, 0), 0);
	assert_int_equal(io_out_write(&out, "hello", 5), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	io_out_abandon(&out);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(io_write_file(path, "hello", 5), 0);
	assert_int_equal(io_read_file(&text, &size, path, 100), 0);
	assert_int_equal(size, 5);
	assert_string_equal(text, "hello");
	free(text);
	assert_int_equal(io_read_file(&text, &size, path, 4), E_DATA);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0); /* so no temporary file was left */
}

static void a_full_disk_is_an_error(void **state)
{
	(void)state;
	if (access("/dev/full", W_OK))
		skip();
	assert_int_equal(io_write_file("/dev/full", "hello", 5), E_IO);
}

static void an_input_is_read_in_any_pieces(void **state)
{
	enum { N = 700000 };
	static unsigned char all[N], got[N];
	char path[] = "/tmp/io-read-XXXXXX";
	const unsigned char *peek;
	size_t n, at = 0, step = 1;
	struct io_in in;

	(void)state;
	for (size_t i = 0; i < N; i++)
		all[i] = (unsigned char)(i * 2654435761u >> 24);
	close(mkstemp(path));
	assert_int_equal(io_write_file(path, all, N), 0);
	assert_int_equal(io_in_open(&in, path), 0);
	while (at < N) {
		assert_int_equal(io_in_peek(&in, &peek, 100, &n), 0);
		assert_memory_equal(peek, all + at, n);
		assert_int_equal(io_in_read(&in, got + at,
					    size_min(step, N - at), &n), 0);
		at += n;
		step = step * 7 % 300007;
	}
	assert_memory_equal(all, got, N);
	assert_int_equal(io_in_read(&in, got, 1, &n), 0);
	assert_int_equal(n, 0);
	io_in_close(&in);
	unlink(path);
}

static void the_machine_can_be_asked(void **state)
{
	(void)state;
	assert_true(os_cpus() >= 1);
	assert_true(os_memory_free() > 1 << 20);
	assert_true(os_memory_used() > 1 << 12);
	assert_true(os_memory_mapped() > 1 << 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(f16_rounds_to_the_nearest_even),
		cmocka_unit_test(bf16_rounds_to_the_nearest_even),
		cmocka_unit_test(sizes_that_do_not_fit_are_told),
		cmocka_unit_test(every_task_runs_once),
		cmocka_unit_test(philox_gives_the_published_numbers),
		cmocka_unit_test(uniform_numbers_have_the_right_moments),
		cmocka_unit_test(normal_numbers_have_the_right_moments),
		cmocka_unit_test(a_file_appears_whole_or_not_at_all),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(an_input_is_read_in_any_pieces),
		cmocka_unit_test(the_machine_can_be_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
