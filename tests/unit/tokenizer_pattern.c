/*
 * Patterns of tokenizer.json in PCRE2: what \w, \b and their like take. What
 * is wanted is what the tokenizers package does (tests/peers/tokenizer.py asks
 * it of every character).
 */
#include "formats/tokenizer_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

/* Does pattern match all of text? */
static int takes(const char *pattern, const char *text)
{
	struct text p = { 0 };
	struct regex *re;
	int yes;

	assert_int_equal(pattern_translate(&p, pattern, strlen(pattern)), 0);
	if (regex_new(&re, p.at, p.n, E_DATA))
		fail_msg("%s", err_text());
	assert_int_equal(regex_full(re, text, strlen(text), &yes), 0);
	regex_free(re);
	text_release(&p);
	return yes;
}

#define SUPER "\xc2\xb2"        /* U+00B2, a superscript two */
#define HALF  "\xc2\xbd"        /* U+00BD */
#define FOUR  "\xe2\x81\xb4"    /* U+2074, a superscript four */
#define ACUTE "\xcc\x81"        /* U+0301, a mark */

static void a_word_has_latin_1_s_fractions_outside_of_a_class(void **state)
{
	(void)state;
	assert_true(takes("\\w+", "a_1" ACUTE SUPER HALF));
	assert_false(takes("\\w", FOUR));
	assert_false(takes("\\w", "-"));
	assert_false(takes("[\\w]", SUPER));
	assert_true(takes("[^\\w]", HALF));
	assert_true(takes("[\\w]+", "a_1" ACUTE));
	assert_true(takes("\\W+", "- " FOUR));
	assert_false(takes("\\W", SUPER));
}

static void an_edge_is_where_a_word_ends(void **state)
{
	(void)state;
	assert_true(takes("a\\b-", "a-"));
	assert_true(takes("-\\ba", "-a"));
	assert_false(takes("a\\b" SUPER, "a" SUPER));
	assert_true(takes("a\\b" FOUR, "a" FOUR));
	assert_false(takes("a\\b" ACUTE, "a" ACUTE));
	assert_true(takes("a\\B" ACUTE "\\b", "a" ACUTE));
	assert_true(takes("-\\B-", "--"));
	assert_false(takes("a\\B-", "a-"));
}

static void what_cannot_be_said_is_refused(void **state)
{
	static const char *const bad[] = { "[\\W]", "[\\b]", "[a[b]]",
		"[a&&b]", "(?m)a", "a\\", "\\pL" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct text p = { 0 };

		assert_int_equal(pattern_translate(&p, bad[i], strlen(bad[i])),
				 E_DATA);
		text_release(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_word_has_latin_1_s_fractions_outside_of_a_class),
		cmocka_unit_test(an_edge_is_where_a_word_ends),
		cmocka_unit_test(what_cannot_be_said_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
