/* math - against libm in long double, in units of the last place */
#include "base/math.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint64_t state;

/* Uniform in [a, b); xorshift: the test's own, from the same start. */
static double uniform(double a, double b)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return a + (b - a) * (double)(state >> 11) * 0x1p-53;
}

static double ulps32(float got, long double want)
{
	int e;

	frexpl(want, &e);
	if (e < -125)
		e = -125;
	return (double)(fabsl(got - want) / ldexpl(1, e - 24));
}

static double ulps64(double got, long double want)
{
	int e;

	frexpl(want, &e);
	if (e < -1021)
		e = -1021;
	return (double)(fabsl(got - want) / ldexpl(1, e - 53));
}

enum { TRIES = 200000 };

static void worst32(float (*f)(float), long double (*want)(long double),
		    double a, double b, double most)
{
	double worst = 0;

	for (int i = 0; i < TRIES; i++) {
		float x = (float)uniform(a, b);
		double u = ulps32(f(x), want(x));

		if (u > worst)
			worst = u;
	}
	if (worst > most)
		fail_msg("%g ulp on [%g, %g)", worst, a, b);
}

static void worst64(double (*f)(double), long double (*want)(long double),
		    double a, double b, double most)
{
	double worst = 0;

	for (int i = 0; i < TRIES; i++) {
		double x = uniform(a, b);
		double u = ulps64(f(x), want(x));

		if (fabsl(want(x)) < 0x1p-16L &&
		    fabsl(f(x) - want(x)) < 0x1p-68L)
			continue;
		if (u > worst)
			worst = u;
	}
	if (worst > most)
		fail_msg("%g ulp on [%g, %g)", worst, a, b);
}

static void f32_functions(void **unused)
{
	(void)unused;
	worst32(math_exp, expl, -87.3, 88.7, 1);
	worst32(math_exp, expl, -1, 1, 1);
	worst32(math_log, logl, 0, 2, 0.51);
	worst32(math_log, logl, 0, 1e30, 0.51);
	worst32(math_tanh, tanhl, -11, 11, 1.2);
	worst32(math_tanh, tanhl, 0.75, 0.95, 1.2);
	worst32(math_tanh, tanhl, -1e-3, 1e-3, 0.51);
	worst32(math_erf, erfl, -4.5, 4.5, 1.2);
	worst32(math_erf, erfl, 0.9, 1.1, 1.2);
	worst32(math_erf, erfl, -1e-3, 1e-3, 1);
}

static void f64_functions(void **unused)
{
	(void)unused;
	worst64(math_exp64, expl, -700, 700, 1);
	worst64(math_exp64, expl, -745, -700, 1.5);
	worst64(math_exp64, expl, -1, 1, 1);
	worst64(math_log64, logl, 0, 4, 0.6);
	worst64(math_log64, logl, 0.99, 1.01, 0.6);
	worst64(math_log64, logl, 0, 1e300, 0.6);
	worst64(math_sin64, sinl, -10, 10, 1);
	worst64(math_cos64, cosl, -10, 10, 1);
	worst64(math_sin64, sinl, -1e9, 1e9, 1);
	worst64(math_cos64, cosl, -1e9, 1e9, 1);
}

static void power(void **unused)
{
	(void)unused;
	for (int i = 0; i < TRIES; i++) {
		double x = uniform(1e-3, 3), y = uniform(-90, 90);

		assert_true(ulps64(math_pow64(x, y),
				   powl((long double)x, y)) < 1.5);
	}
	for (int t = 1; t < 100000; t += 7)
		assert_true(ulps64(math_pow64(0.999, t),
				   powl((long double)0.999, t)) < 1.5);
	assert_true(math_pow64(2, 10) == 1024);
	assert_true(math_pow64(0.9, 0) == 1);
}

static void edges(void **unused)
{
	(void)unused;
	assert_true(math_exp(0) == 1 && math_exp64(0) == 1);
	assert_true(math_exp(-88) == 0 && math_exp(-INFINITY) == 0);
	assert_true(math_exp(89) == INFINITY && math_exp(INFINITY) == INFINITY);
	assert_true(math_exp(MATH_EXP_LEAST) >= 0x1p-126f);
	assert_true(ulps32(math_exp(MATH_EXP_LEAST), expl(MATH_EXP_LEAST)) < 2);
	assert_true(math_exp(nextafterf(MATH_EXP_LEAST, -100)) == 0);
	assert_true(ulps32(math_exp(MATH_EXP_MOST), expl(MATH_EXP_MOST)) < 2);
	assert_true(math_exp(nextafterf(MATH_EXP_MOST, 100)) == INFINITY);
	assert_true(isnan(math_exp(NAN)) && isnan(math_exp64(NAN)));
	assert_true(math_exp64(710) == INFINITY && math_exp64(-746) == 0);
	assert_true(math_log(0) == -INFINITY && math_log(1) == 0);
	assert_true(isnan(math_log(-1)) && math_log(INFINITY) == INFINITY);
	assert_true(ulps64(math_log64(0x1p-1074), logl(0x1p-1074L)) < 1);
	assert_true(math_tanh(20) == 1 && math_tanh(-INFINITY) == -1);
	assert_true(isnan(math_tanh(NAN)) && isnan(math_erf(NAN)));
	assert_true(math_erf(4) == 1 && math_erf(-INFINITY) == -1);
	assert_true(math_tanh(0) == 0 && math_erf(0) == 0);
	assert_true(math_sin64(0) == 0 && math_cos64(0) == 1);
}

static int reset(void **unused)
{
	(void)unused;
	state = 88172645463325252;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(f32_functions, reset),
		cmocka_unit_test_setup(f64_functions, reset),
		cmocka_unit_test_setup(power, reset),
		cmocka_unit_test(edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
