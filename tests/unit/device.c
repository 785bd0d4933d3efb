/* The laws of devices, for every kind that this build has. */
#include "tests/unit/device_laws.h"

static const struct device_kind *law_kind(size_t i)
{
	return device_at(i);
}

static void a_kind_is_found_by_its_name(void **state)
{
	const struct device_kind *k;
	size_t n = 0;

	(void)state;
	for (; (k = device_at(n)); n++)
		assert_ptr_equal(device_find(device_name(k)), k);
	assert_true(n >= 2);
	assert_non_null(device_find("host"));
	assert_non_null(device_find("emu"));
	assert_null(device_find("abacus"));
	assert_null(device_find(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kind_is_found_by_its_name),
		DEVICE_LAWS,
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
