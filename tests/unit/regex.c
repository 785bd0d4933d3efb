/* Patterns: classes of Unicode, places, faults. */
#include "base/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static struct regex *make(const char *pattern)
{
	struct regex *re;

	assert_int_equal(regex_new(&re, pattern, strlen(pattern), E_DATA), 0);
	return re;
}

static void full_means_all_of_it(void **state)
{
	struct regex *re = make("model\\.layers\\.(0|1)|a|ab");
	int yes;

	(void)state;
	assert_int_equal(regex_full(re, "model.layers.1", 14, &yes), 0);
	assert_true(yes);
	assert_int_equal(regex_full(re, "model.layers.10", 15, &yes), 0);
	assert_false(yes);
	assert_int_equal(regex_full(re, "ab", 2, &yes), 0);
	assert_true(yes); /* not the first alternative that matches some */
	assert_int_equal(regex_full(re, "", 0, &yes), 0);
	assert_false(yes);
	regex_free(re);
}

static void search_gives_places_in_bytes(void **state)
{
	struct regex *re = make("\\p{Lu}\\p{Ll}+|\\s+(?!\\S)");
	const char *text = "\xc3\xa9 \xc3\x89\xc3\xa9x  ";
	size_t start, end;
	int found;

	(void)state;
	assert_int_equal(regex_search(re, text, 10, 0, &found, &start, &end),
			 0);
	assert_true(found);
	assert_int_equal(start, 3);
	assert_int_equal(end, 8);
	assert_int_equal(regex_search(re, text, 10, end, &found, &start, &end),
			 0);
	assert_true(found);
	assert_int_equal(start, 8);
	assert_int_equal(end, 10);
	assert_int_equal(regex_search(re, text, 10, 10, &found, &start, &end),
			 0);
	assert_false(found);
	assert_int_equal(regex_search(re, text, 10, 11, &found, &start, &end),
			 0);
	assert_false(found);
	regex_free(re);
}

static void invalid_text_matches_nothing(void **state)
{
	struct regex *re = make(".*");
	size_t start, end;
	int found;

	(void)state;
	assert_int_equal(regex_search(re, "a\xff", 2, 0, &found, &start, &end),
			 0);
	assert_false(found);
	regex_free(re);
}

static void a_bad_pattern_is_refused_with_its_place(void **state)
{
	struct regex *re;

	(void)state;
	assert_int_equal(regex_new(&re, "ab(c", 4, E_USAGE), E_USAGE);
	assert_null(re);
	assert_non_null(strstr(err_text(), "at byte 4"));
	assert_int_equal(regex_new(&re, "\\C", 2, E_DATA), E_DATA);
}

static void endless_work_is_an_error(void **state)
{
	struct regex *re = make("(a+|b+|ab)+$");
	char text[4000];
	int yes;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 3 ? 'a' : 'b';
	text[sizeof(text) - 1] = 'c';
	assert_int_equal(regex_full(re, text, sizeof(text), &yes), E_DATA);
	regex_free(re);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_means_all_of_it),
		cmocka_unit_test(search_gives_places_in_bytes),
		cmocka_unit_test(invalid_text_matches_nothing),
		cmocka_unit_test(a_bad_pattern_is_refused_with_its_place),
		cmocka_unit_test(endless_work_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
