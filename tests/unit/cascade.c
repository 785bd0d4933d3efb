#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/half.h"
#include "base/size.h"
#include "quant/cascade.h"

#include <stdlib.h>

enum { MOST = 17000123 };

/* Bits of torch.sum() and torch.mean() of the first n values, on one thread
 * with AVX2. The last is long enough for blocks of 32. */
static const struct {
	size_t n;
	uint32_t sum, mean;
} want[] = {
	{ 1, 0x00000000, 0x00000000 },
	{ 3, 0x3e7f3475, 0x3daa22f9 },
	{ 5, 0x3f7a3f3c, 0x3e483296 },
	{ 7, 0x3faaaee4, 0x3e431105 },
	{ 8, 0x3faf20a7, 0x3e2f20a7 },
	{ 40, 0x411423e6, 0x3e6d063d },
	{ 255, 0x427e0f62, 0x3e7f0e70 },
	{ 1000, 0x437a0352, 0x3e8001b3 },
	{ 65537, 0x4680007f, 0x3e7ffffe },
	{ 1048576, 0x487fffba, 0x3e7fffba },
	{ 17000123, 0x4a81b352, 0x3e7fffe8 },
};

static void test_torch(void **state)
{
	float *x = malloc(MOST * sizeof(*x));

	(void)state;
	assert_non_null(x);
	for (uint32_t i = 0; i < MOST; i++) {
		uint32_t bits = (i * 2654435761u ^ (i >> 3) * 40503u) >> 8;
		float v = (float)bits * 0x1p-24f;

		x[i] = v * v * v;
	}
	for (size_t i = 0; i < NELEM(want); i++) {
		assert_int_equal(f32_bits(cascade_sum(x, want[i].n)),
				 want[i].sum);
		assert_int_equal(f32_bits(cascade_mean(x, want[i].n)),
				 want[i].mean);
	}
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_torch) };

	return cmocka_run_group_tests_name("cascade", tests, NULL, NULL);
}
