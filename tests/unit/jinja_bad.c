/* Templates that are malformed, or mean harm: a clear line each, little time
 * and memory. */
#include "base/json.h"
#include "base/size.h"
#include "formats/jinja.h"
#include "tests/unit/cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static void refuse(const char *template, size_t size, const char *why)
{
	struct text out = { 0 };
	json_t *none = json_object();
	struct jinja *t;
	int err = jinja_new(&t, template, size);

	if (!err)
		err = jinja_render(t, none, &out);
	assert_int_equal(err, E_DATA);
	assert_int_equal(out.n, 0);
	assert_int_equal(strncmp(err_text(), "template: ", 10), 0);
	if (!strstr(err_text(), why))
		fail_msg("%.60s: '%s' does not say '%s'", template, err_text(),
			 why);
	json_decref(none);
	jinja_free(t);
}

struct template {
	const char *template, *why;
};

/* clang-format off */
static const struct template malformed[] = {
	{ "a\n{% include 'x' %}", "line 2: 'include' is not" },
	{ "{% extends 'x' %}", "'extends' is not supported" },
	{ "{% import 'x' as y %}", "'import' is not supported" },
	{ "{% do x %}", "'do' is not supported" },
	{ "{{ x | nosuch }}", "filter 'nosuch' is not supported" },
	{ "{{ x is nosuch }}", "test 'nosuch' is not supported" },
	{ "{% for x in y recursive %}{% endfor %}", "'recursive' is" },
	{ "{{ x", "a tag does not end" },
	{ "\n\n{{ 'x }}", "line 3: a string does not end" },
	{ "{# x", "a comment does not end" },
	{ "{% raw %}", "'raw' does not end" },
	{ "{% if x %}", "it ends before 'elif'" },
	{ "{% for x in y %}{% endif %}", "unexpected 'endif'" },
	{ "{% endfor %}", "unexpected 'endfor'" },
	{ "{{ (1, [2) }}", "unexpected ')'" },
	{ "{{ 1 + }}", "where an expression should be" },
	{ "{{ '\\ud800' }}", "no character" },
	{ "{{ 99999999999999999999 }}", "too large" },
	{ "{{ ? }}", "unexpected character '?'" },
	{ "{% %}", "a statement should be" },
};

static const struct template hostile[] = {
	{ "{% set r = range(99999) %}{% for a in r %}{% for b in r %}"
	  "{% endfor %}{% endfor %}", "steps" },
	{ "{% for a in range(99999) %}{% for b in range(99999) %}"
	  "{% endfor %}{% endfor %}", "memory" },
	{ "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "deep" },
	{ "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}"
	  "{{ f(1) }}", "deep" },
	{ "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}"
	  "{% endif %}{% endmacro %}{{ f(60) }}", "memory" },
	{ "{% set n = namespace(s='x') %}{% for i in range(60) %}"
	  "{% set n.s = n.s + n.s %}{% endfor %}{{ n.s }}", "memory" },
	{ "{% set n = namespace(l=[1]) %}{% for i in range(60) %}"
	  "{% set n.l = n.l + n.l %}{% endfor %}", "" },
	{ "{{ 'x' * 1000000000000 }}", "" },
	{ "{{ [1] * 1000000000000 }}", "" },
	{ "{{ '' * 1000000000000 }}", "steps" },
	{ "{{ range(1000000000000) | list }}", "range" },
	{ "{{ 9 ** 99 }}", "too large" },
	{ "{{ 'x'.center(1000000000000) }}", "memory" },
	{ "{{ '%9999999999d' % 1 }}", "too wide" },
	{ "{{ 'x' | indent(1000000000000) }}", "memory" },
	{ "{{ ('x' * 1000000).replace('', 'y' * 1000000) }}", "" },
	{ "{{ (['x' * 100000] * 100000) | join }}", "" },
	{ "{{ 2 ** 1000000000 }}", "too large" },
	{ "{{ (0 - 1) ** 900000000000000000 }}", "steps" },
	{ "{% set n = namespace(v=1) %}{% for i in range(99999) %}"
	  "{% set n.v = [n.v] %}{% endfor %}{{ n.v }}", "deep" },
	{ "{% set n = namespace(v=1) %}{% set n.v = n %}{{ n.v }}",
	  "cannot be printed" },
	{ "{% for a in range(99999) %}{{ 'x' * 10000 }}{% endfor %}",
	  "memory" },
	{ "{% for i in range(99999) %}{% for c in 'x' * 9999 %}"
	  "{% endfor %}{% endfor %}", "" },
	{ "{{ ('a,' * 1000000).split(',') | unique | list }}",
	  "memory" },
	{ "{% set n = namespace(a=1, b=1) %}{% for i in range(9999) %}"
	  "{% set n.a = [n.a] %}{% set n.b = [n.b] %}{% endfor %}"
	  "{{ n.a == n.b }}", "steps" },
	{ "{% set n = namespace(a=1, b=1) %}{% for i in range(60) %}"
	  "{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}"
	  "{% endfor %}{{ n.a == n.b }}", "steps" },
	{ "{% set n = namespace(a=1, b=2) %}{% for i in range(9999) %}"
	  "{% set n.a = [n.a] %}{% set n.b = [n.b] %}{% endfor %}"
	  "{{ n.a < n.b }}", "" },
};
/* clang-format on */

static int write_all(const char *dir)
{
	size_t i, n = 0;

	for (i = 0; i < NELEM(malformed); i++)
		write_case(dir, n++, ".jinja", malformed[i].template,
			   strlen(malformed[i].template));
	for (i = 0; i < NELEM(hostile); i++)
		write_case(dir, n++, ".jinja", hostile[i].template,
			   strlen(hostile[i].template));
	return 0;
}

static void malformed_templates_are_refused_with_their_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(malformed); i++)
		refuse(malformed[i].template, strlen(malformed[i].template),
		       malformed[i].why);
	refuse("a\xff", 2, "no UTF-8");
}

static void hostile_templates_are_stopped(void **state)
{
	struct rusage use;

	(void)state;
	for (size_t i = 0; i < NELEM(hostile); i++)
		refuse(hostile[i].template, strlen(hostile[i].template),
		       hostile[i].why);
	getrusage(RUSAGE_SELF, &use);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(use.ru_maxrss < 300 << 10);
#endif
}

/* n times what, around middle. */
static void nested(const char *before, const char *middle, const char *after,
		   size_t n, const char *why)
{
	struct text t = { 0 };

	for (size_t i = 0; i < n; i++)
		assert_int_equal(text_add_string(&t, before), 0);
	assert_int_equal(text_add_string(&t, middle), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(text_add_string(&t, after), 0);
	refuse(t.at, t.n, why);
	text_release(&t);
}

static void expression(const char *before, const char *middle,
		       const char *after, size_t n, const char *why)
{
	struct text t = { 0 };

	assert_int_equal(text_add_string(&t, "{{ "), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(text_add_string(&t, before), 0);
	assert_int_equal(text_add_string(&t, middle), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(text_add_string(&t, after), 0);
	assert_int_equal(text_add_string(&t, " }}"), 0);
	refuse(t.at, t.n, why);
	text_release(&t);
}

static void deep_templates_are_refused(void **state)
{
	(void)state;
	nested("{% if 1 %}", "", "{% endif %}", 20000, "nested");
	nested("{% for x in y %}", "", "{% endfor %}", 20000, "nested");
	expression("(", "1", ")", 20000, "nested");
	expression("[", "1", "]", 20000, "nested");
	expression("not ", "1", "", 20000, "nested");
	expression("-", "1", "", 20000, "nested");
	expression("", "x", ".y", 20000, "deep");
	expression("1+", "1", "", 20000, "deep");
	expression("", "1", "|string", 20000, "deep");
	expression("1 if 0 else ", "1", "", 20000, "nested");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			malformed_templates_are_refused_with_their_line),
		cmocka_unit_test(hostile_templates_are_stopped),
		cmocka_unit_test(deep_templates_are_refused),
	};

	if (argc > 1)
		return write_all(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
