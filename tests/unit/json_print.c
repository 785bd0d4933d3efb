/* JSON is written as Python writes it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/size.h"

static void same(const char *text, int pretty)
{
	json_t *root;
	char *back;

	assert_int_equal(json_parse(&root, text, strlen(text)), 0);
	assert_int_equal(json_print(&back, root, pretty), 0);
	assert_string_equal(back, text);
	free(back);
	json_decref(root);
}

static void numbers_are_short(void **state)
{
	static const char *const number[] = {
		"0", "-7", "123456789012345", "0.0", "-0.0", "1.0", "0.1",
		"1e-05", "9.999999747378752e-06", "0.0001",
		"0.05147235468029976", "100000.0", "10000000.0", "1234567.125",
		"1e+16",
		"9007199254740992.0", "1.7976931348623157e+308", "5e-324",
		"2.2250738585072014e-308", "0.30000000000000004", "12.5",
		"1.5e-07", "123456789.12345679", "1e+22",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(number); i++)
		same(number[i], 0);
}

/* "no limit", as tokenizer_config.json spells it */
static void large_whole_numbers_are_read(void **state)
{
	static const char text[] = "{\"1000000000000000000000\": ["
		"1000000000000000019884624838656, -99999999999999999999, "
		"9223372036854775807, -9223372036854775808, 1e30], "
		"\"a\\\"b\": 18446744073709551616}";
	json_t *root, *list;

	(void)state;
	assert_int_equal(json_parse(&root, text, sizeof(text) - 1), 0);
	list = json_object_get(root, "1000000000000000000000");
	assert_true(json_real_value(json_array_get(list, 0)) == 1e30);
	assert_true(json_real_value(json_array_get(list, 1)) == -1e20);
	assert_true(json_integer_value(json_array_get(list, 2)) == INT64_MAX);
	assert_true(json_integer_value(json_array_get(list, 3)) == INT64_MIN);
	assert_true(json_number(root, "a\"b", 0) == 0x1p64);
	json_decref(root);
	assert_int_equal(json_parse(&root, "[1e999]", 7), E_DATA);
	assert_int_equal(json_parse(&root, "[3\0]", 4), E_DATA);
	assert_int_equal(json_parse(&root, "[99999999999999999999", 21),
			 E_DATA);
}

static void every_bit_of_a_number_survives(void **state)
{
	uint64_t bits = 88172645463325252ull;
	size_t n = 0;

	(void)state;
	while (n < 20000) {
		char *text;
		double x, y;
		json_t *v;

		bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
		memcpy(&x, &bits, sizeof(x));
		v = json_real(x); /* NULL: not finite */
		if (!v)
			continue;
		n++;
		assert_int_equal(json_print(&text, v, 0), 0);
		y = strtod(text, NULL);
		assert_memory_equal(&x, &y, sizeof(x));
		free(text);
		json_decref(v);
	}
}

static void forms(void **state)
{
	(void)state;
	same("{\"a\": [1, 2.5, null], \"b\": {}, \"c\": [], "
	     "\"d\\n\\u0001\\\"\": \"\u00e9 / \\\\\"}", 0);
	same("{\n  \"a\": [\n    1,\n    {\n      \"b\": true\n    }\n  ],\n"
	     "  \"c\": {},\n  \"d\": []\n}", 2);
	same("\"text\"", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_short),
		cmocka_unit_test(large_whole_numbers_are_read),
		cmocka_unit_test(every_bit_of_a_number_survives),
		cmocka_unit_test(forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
