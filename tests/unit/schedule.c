/* schedule - against Hugging Face's formulas, by hand */
#include "train/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void check(const char *name, uint64_t warmup, uint64_t total,
		  double least, const double *want, size_t n)
{
	struct schedule s = { schedule_find(name), warmup, total, least };

	assert_non_null(s.kind);
	for (size_t i = 0; i < n; i++) {
		double got = schedule_factor(&s, i);

		if (fabs(got - want[i]) > 1e-15)
			fail_msg("%s: step %zu: %.17g, want %.17g", name, i,
				 got, want[i]);
	}
}

static void warm_up_starts_at_zero(void **state)
{
	static const double want[] = { 0, 1. / 3, 2. / 3, 1, 1, 1 };

	(void)state;
	check("constant_with_warmup", 3, 6, 0, want, 6);
}

static void constant_ignores_warm_up(void **state)
{
	static const double want[] = { 1, 1, 1 };

	(void)state;
	check("constant", 3, 6, 0, want, 3);
}

static void linear_reaches_zero(void **state)
{
	static const double want[] = { 0, .5, 1, .75, .5, .25, 0, 0 };

	(void)state;
	check("linear", 2, 6, 0, want, 8);
}

static void cosine_is_half_a_wave(void **state)
{
	static const double want[] = { 0, 1, 0.85355339059327376,
				       0.5, 0.14644660940672624, 0 };

	(void)state;
	check("cosine", 1, 5, 0, want, 6);
}

static void cosine_keeps_its_least_rate(void **state)
{
	static const double want[] = { 1, 0.5 * 0.9 + 0.1, 0.1 };

	(void)state;
	check("cosine_with_min_lr", 0, 2, 0.1, want, 3);
}

static void warm_up_ratio_is_rounded_up(void **state)
{
	(void)state;
	assert_int_equal(schedule_warmup(100, 0.03), 3);
	assert_int_equal(schedule_warmup(101, 0.03), 4);
	assert_int_equal(schedule_warmup(100, 0), 0);
	assert_int_equal(schedule_warmup(10, 1), 10);
}

static void all_stay_in_range(void **state)
{
	(void)state;
	for (size_t k = 0; schedule_at(k); k++)
		for (uint64_t total = 1; total < 12; total++)
			for (uint64_t w = 0; w <= total; w++)
				for (uint64_t i = 0; i < total + 2; i++) {
					struct schedule s = { schedule_at(k), w,
							      total, 0.1 };
					double f = schedule_factor(&s, i);

					assert_true(f >= 0 && f <= 1);
				}
	assert_null(schedule_find("polynomial"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(warm_up_starts_at_zero),
		cmocka_unit_test(constant_ignores_warm_up),
		cmocka_unit_test(linear_reaches_zero),
		cmocka_unit_test(cosine_is_half_a_wave),
		cmocka_unit_test(cosine_keeps_its_least_rate),
		cmocka_unit_test(warm_up_ratio_is_rounded_up),
		cmocka_unit_test(all_stay_in_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
