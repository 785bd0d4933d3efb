#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/half.h"
#include "kernel/dyn8.h"
#include "kernel/nf4.h"
#include "base/size.h"
#include "kernel/table.h"
#include "tests/unit/golden.h"

#include <math.h>

enum { ROOM = 1 << 16 };

static void check_book(struct golden *g, const char *name, const float *ours,
		       size_t n)
{
	char what[80];
	size_t count, differ = 0;
	const float *want = golden_f32(g, name, &count);

	assert_int_equal(count, n);
	for (size_t i = 0; i < n; i++)
		differ += f32_bits(ours[i]) != f32_bits(want[i]);
	snprintf(what, sizeof(what), "%s: values that differ", name);
	golden_report("C/codes", what, (double)differ, 0);
}

/* The books that quantising decides by are bitsandbytes'. */
static void test_books(void **state)
{
	struct golden g;

	(void)state;
	golden_case(&g, "C/codes");
	check_book(&g, "nf4", nf4_book, 16);
	check_book(&g, "nf4_cpu_midpoints", nf4_bound, 15);
	check_book(&g, "nf4_cuda_thresholds", nf4_bound, 15);
	check_book(&g, "dynamic_signed", dyn8_book, 256);
	check_book(&g, "dynamic_unsigned", dyn8_unsigned, 256);
	golden_close(&g);
}

static uint32_t next(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

/* Values of every kind: bounds and their neighbours, zeros, denormals,
 * blocks of scales far apart, and what is not finite. */
static void fill(float *x, size_t n, size_t block)
{
	uint32_t s = 1;

	for (size_t i = 0; i < n; i++) {
		uint32_t kind = (uint32_t)(i / block) % 8;
		float v = (float)(int32_t)(next(&s) - (1 << 23)) * 0x1p-23f;
		float bound = nf4_bound[next(&s) % 15];

		x[i] = v;
		if (kind == 1)
			x[i] = i % block ? bound : 1;
		if (kind == 2)
			x[i] = i % block ? nextafterf(bound, v < 0 ? -2 : 2)
					 : -1;
		if (kind == 3)
			x[i] = i % 2 ? 0.0f : -0.0f;
		if (kind == 4)
			x[i] = v * 1e-40f;
		if (kind == 5)
			x[i] = v * 3.4e38f;
		if (kind == 6)
			x[i] = f32_from_bits(next(&s) << 8 | next(&s) % 256);
	}
}

/* Every variant that this machine can run against plain C. */
static void test_variants(void **state)
{
	static const size_t sizes[] = { 32, 64, 96, 128, 256, 4096 };
	static float x[ROOM], want_top[ROOM / 32], top[ROOM / 32];
	static uint8_t want[ROOM / 2], code[ROOM / 2];
	struct kernels k;
	int usable;

	(void)state;
	for (size_t i = 0; i < NELEM(sizes); i++) {
		size_t block = sizes[i], n = ROOM / block;

		fill(x, n * block, block);
		for (int least = 0; least < 2; least++) {
			float floor = least ? NF4_LEAST : 0;

			nf4_encode_c(want, want_top, x, n, block, floor);
			for (size_t l = 1; kernels_level(l, &k, &usable); l++) {
				if (!usable)
					continue;
				memset(code, 0xa5, sizeof(code));
				k.nf4_encode(code, top, x, n, block, floor);
				assert_memory_equal(code, want, n * block / 2);
				assert_memory_equal(top, want_top, n * 4);
			}
		}
	}
}

/* A short last block is divided on the CPU and multiplied in CUDA: values where
 * that decides the code, in both nibbles. */
static void test_tail(void **state)
{
	uint32_t s = 3;
	size_t found = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		float top = 1 + (float)next(&s) * 0x1p-24f;
		float v = nextafterf(nf4_bound[i % 15] * top,
				     i % 2 ? 2 : -2);
		float x[3] = { v, v, top };
		unsigned divided = nf4_code(v / top);
		unsigned multiplied = nf4_code(v * (1 / top));
		uint8_t code[2];

		found += divided != multiplied;
		assert_true(nf4_encode_tail(code, x, 3, 1) == top);
		assert_int_equal(code[0], divided << 4 | divided);
		assert_int_equal(code[1], 15 << 4 | NF4_ZERO);
		assert_true(nf4_encode_tail(code, x, 3, 0) == top);
		assert_int_equal(code[0], multiplied << 4 | multiplied);
	}
	assert_true(found > 100);
}

/* The nearest entry, by trying all. */
static void test_nearest(void **state)
{
	uint32_t s = 7;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		float v = (float)(int32_t)(next(&s) - (1 << 23)) * 0x1p-23f;
		const float *book = i % 2 ? dyn8_book : dyn8_unsigned;
		float best = 9, got;

		if (i % 4 > 1)
			v *= 0x1p-12f;
		if (book == dyn8_unsigned)
			v = fabsf(v);
		for (int c = 0; c < 256; c++)
			best = fminf(best, fabsf(v - book[c]));
		got = fabsf(v - book[dyn8_code(book, v, DYN8_NEAREST)]);
		assert_true(got <= best * (1 + 1e-6f));
	}
}

/* Zero does not survive bitsandbytes' CPU rule, and does the other. */
static void test_zero(void **state)
{
	(void)state;
	assert_int_equal(dyn8_code(dyn8_book, 0, DYN8_CPU), 131);
	assert_int_equal(dyn8_code(dyn8_unsigned, 0, DYN8_CPU), 7);
	assert_int_equal(dyn8_code(dyn8_book, 0, DYN8_NEAREST), 127);
	assert_int_equal(dyn8_code(dyn8_book, NAN, DYN8_NEAREST), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_books),
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_zero),
	};

	return cmocka_run_group_tests_name("nf4", tests, NULL, NULL);
}
