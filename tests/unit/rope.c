/* Rotary positions, of halves and of pairs, against f64. */
#include "kernel/table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/size.h"

enum { ROWS = 3, HALF = 5, HEADS = 2, DIM = 12, LONG = 40 };

static void check_near(const char *what, size_t i, double got, double want,
		       double most)
{
	if (!(fabs(got - want) <= most * (1 + fabs(want))))
		fail_msg("%s: %zu: %.9g, want %.9g", what, i, got, want);
}

/* How far element at of a head is from the one it turns with: + or -. */
static long partner(size_t at, size_t half, int pairs)
{
	if (pairs)
		return at % 2 ? -1 : 1;
	return at < half ? (long)half : -(long)half;
}

static void check_rope(rope_fn *fn, int pairs)
{
	static const uint32_t pos[ROWS] = { 39, 0, 7 };
	float cos_[LONG * HALF], sin_[LONG * HALF], freq[HALF];
	float x[ROWS * HEADS * DIM], y[ROWS * HEADS * DIM];
	struct rope r = { cos_, sin_, HALF, HEADS, DIM };

	for (size_t i = 0; i < HALF; i++)
		freq[i] = (float)pow(100, -(double)i / HALF);
	rope_table(cos_, sin_, LONG, freq, HALF, 1);
	for (size_t i = 0; i < NELEM(x); i++)
		x[i] = (float)((int)(i * 37 % 101) - 50) / 50;
	memcpy(y, x, sizeof(y));
	fn(&r, y, HEADS * DIM, pos, ROWS, 0);
	for (size_t i = 0; i < NELEM(x); i++) {
		size_t at = i % DIM, row = i / (HEADS * DIM);
		double want = x[i], angle;

		if (at < 2 * HALF) {
			long to = partner(at, HALF, pairs);

			angle = (float)pos[row] *
				freq[pairs ? at / 2 : at % HALF];
			want = cos(angle) * x[i] + (to > 0 ? -1 : 1) *
				sin(angle) * x[(long)i + to];
		}
		check_near("rope", i, y[i], want, 2e-7);
	}
	fn(&r, y, HEADS * DIM, pos, ROWS, 1);
	for (size_t i = 0; i < NELEM(x); i++)
		check_near("inverse", i, y[i], x[i], 3e-7);
}

static void elements_turn_and_turn_back(void **state)
{
	(void)state;
	check_rope(kernels()->rope, 0);
	check_rope(rope_pairs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_turn_and_turn_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
