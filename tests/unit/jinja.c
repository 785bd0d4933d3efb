/*
 * The template interpreter against jinja2: golden/jinja. With operands it
 * renders the cases of those files instead, a line of JSON each, for
 * tests/peers/template.py.
 */
#include "base/json.h"
#include "formats/jinja.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *shared;  /* the variables of cases that have none */

static int render(json_t *c, struct text *out)
{
	json_t *own = json_object_get(c, "variables");
	const char *template = json_text(c, "template", "");
	struct jinja *t;
	int err = jinja_new(&t, template, strlen(template));

	if (!err)
		err = jinja_render(t, own ? own : shared, out);
	jinja_free(t);
	return err;
}

static void check_case(json_t *c)
{
	const char *want = json_text(c, "output", NULL);
	struct text out = { 0 };
	int err = render(c, &out);

	if (!want) { /* jinja2 refuses it */
		if (err != E_DATA)
			fail_msg("%s: not refused", json_text(c, "template",
							      ""));
	} else if (err) {
		fail_msg("%s: %s", json_text(c, "template", ""), err_text());
	} else if (strcmp(out.at, want)) {
		fail_msg("%s:\n'%s' is not\n'%s'", json_text(c, "template", ""),
			 out.at, want);
	}
	text_release(&out);
}

static void everything_is_as_jinja2_has_it(void **state)
{
	json_t *root, *c;
	size_t i;

	(void)state;
	assert_int_equal(json_read_file(&shared, "tests/golden/jinja/"
					"variables.json", 1 << 20), 0);
	assert_int_equal(json_read_file(&root, "tests/golden/jinja/cases.json",
					1 << 24), 0);
	json_array_foreach(root, i, c)
		check_case(c);
	assert_true(i >= 300);
	json_decref(root);
	json_decref(shared);
}

static int print_cases(const char *path)
{
	json_t *root, *c;
	size_t i;

	if (json_read_file(&root, path, 1 << 30))
		return E_DATA;
	json_array_foreach(root, i, c) {
		struct text out = { 0 };
		int err = render(c, &out);
		json_t *line = json_pack(
			"{s:s%}", err ? "error" : "output",
			err ? err_text() : out.at,
			err ? strlen(err_text()) : out.n);
		char *text;

		text_release(&out);
		if (!line || json_print(&text, line, 0))
			return E_NOMEM;
		puts(text);
		free(text);
		json_decref(line);
	}
	json_decref(root);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_as_jinja2_has_it),
	};

	for (int i = 1; i < argc; i++)
		if (print_cases(argv[i])) {
			fprintf(stderr, "%s\n", err_text());
			return 1;
		}
	return argc > 1 ? 0 : cmocka_run_group_tests(tests, NULL, NULL);
}
