/* Described tasks: templates, filters, metrics, and what a description may
 * not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "infer/task_file.h"

static json_t *json(const char *text)
{
	json_t *o;

	assert_int_equal(json_parse(&o, text, strlen(text)), 0);
	return o;
}

static int lower(void *ctx, const char *text, char **out)
{
	(void)ctx;
	*out = strdup(text);
	for (char *c = *out; *c; c++)
		*c = (char)tolower(*c);
	return 0;
}

static const struct text_codec codec = { .lower = lower };
static const struct task_run run = { .text = &codec };
static const char doc_text[] = "{\"q\": \"Who?\", \"n\": 3, \"x\": 1.5, "
	"\"yes\": true, \"a\": {\"b\": \" in \"}, \"list\": [\"one\", \"two\"],"
	" \"label\": 1, \"letter\": \"B\", \"{{q}}\": \"odd\"}";

static void renders(const char *template, const char *want)
{
	json_t *doc = json(doc_text);
	char *text;

	if (task_render(&text, template, doc))
		fail_msg("%s: %s", template, err_text());
	assert_string_equal(text, want);
	free(text);
	json_decref(doc);
}

static void templates_are_fields_in_a_text(void **state)
{
	(void)state;
	renders("q", "Who?"); /* the name of a field alone */
	renders("Q: {{q}}\n{{ n }}", "Q: Who?\n3");
	renders("{{x}} {{yes}} {{a.b}}.", "1.5 True  in .");
	renders("{{a.b|trim}}{{list[1]}}", "intwo");
	renders("{ {q} }", "{ {q} }");
	renders("{{q}}", "odd"); /* it is a field's name too */
	renders("", "");
}

static void in_an_expansion_no_name_stands_alone(void **state)
{
	json_t *doc = json(doc_text);
	char *text;

	(void)state;
	assert_int_equal(task_expand(&text, "q is {{n}}", doc), 0);
	assert_string_equal(text, "q is 3");
	free(text);
	assert_int_equal(task_expand(&text, "letter", doc), 0);
	assert_string_equal(text, "letter");
	free(text);
	json_decref(doc);
}

static void does_not_render(const char *template, int code, const char *why)
{
	json_t *doc = json(doc_text);
	char *text;

	assert_int_equal(task_render(&text, template, doc), code);
	assert_null(text);
	if (!strstr(err_text(), why))
		fail_msg("'%s' does not say '%s'", err_text(), why);
	json_decref(doc);
}

static void what_is_no_such_template_is_refused(void **state)
{
	(void)state;
	does_not_render("{{nobody}}", E_DATA, "no field 'nobody'");
	does_not_render("{{list[2]}}", E_DATA, "no field 'list[2]'");
	does_not_render("{{a.c}}", E_DATA, "no field 'a.c'");
	does_not_render("{{a}}", E_DATA, "'a' is no text");
	does_not_render("{{list}}", E_DATA, "no text");
	does_not_render("{{q", E_CONFIG, "without '}}'");
	does_not_render("{% if q %}", E_CONFIG, "'{%'");
	does_not_render("{{}}", E_CONFIG, "want a field");
	does_not_render("{{list[x]}}", E_CONFIG, "want a field");
	does_not_render("{{list[0}}", E_CONFIG, "want a field");
	does_not_render("{{a..b}}", E_CONFIG, "want a field");
}

/* The choices and targets of a description. */
static int derive(const char *spec, char **text)
{
	json_t *doc = json(doc_text), *root = json(spec), *c = NULL, *t = NULL;
	struct task_spec s = {
		.choices = json_object_get(root, "doc_to_choice"),
		.target = json_object_get(root, "doc_to_target"),
	};
	int err = s.choices ? task_choices(&s, doc, &c) : 0;
	json_t *both;

	if (!err)
		err = task_targets(&s, doc, c, &t);
	*text = NULL;
	both = json_pack("[o,o]", c ? c : json_null(), t ? t : json_null());
	if (!err)
		assert_int_equal(json_print(text, both, 0), 0);
	json_decref(both);
	json_decref(root);
	json_decref(doc);
	return err;
}

static void gives(const char *spec, const char *want)
{
	char *text;

	if (derive(spec, &text))
		fail_msg("%s: %s", spec, err_text());
	assert_string_equal(text, want);
	free(text);
}

static void gives_none(const char *spec, const char *why)
{
	char *text;

	assert_int_equal(derive(spec, &text), E_DATA);
	if (!strstr(err_text(), why))
		fail_msg("'%s' does not say '%s'", err_text(), why);
}

static void choices_and_targets_are_fields_or_texts(void **state)
{
	(void)state;
	gives("{\"doc_to_choice\": \"list\", \"doc_to_target\": \"label\"}",
	      "[[\"one\", \"two\"], [1]]");
	gives("{\"doc_to_choice\": \"{{ list }}\", \"doc_to_target\": "
	      "\"{{label}}\"}", "[[\"one\", \"two\"], [1]]");
	gives("{\"doc_to_choice\": [\"A\", \"B\", \"C\"], \"doc_to_target\": "
	      "\"letter\"}", "[[\"A\", \"B\", \"C\"], [1]]");
	gives("{\"doc_to_choice\": \"{{[n, letter, 'it is']}}\", "
	      "\"doc_to_target\": 0}", "[[\"3\", \"B\", \"it is\"], [0]]");
	gives("{\"doc_to_choice\": [\"{{q}}!\", \"x\"], \"doc_to_target\": "
	      "\"Who?!\"}", "[[\"Who?!\", \"x\"], [0]]");
	gives("{\"doc_to_target\": \"list\"}", "[null, [\"one\", \"two\"]]");
	gives("{\"doc_to_target\": \" {{q}}\"}", "[null, [\" Who?\"]]");
	gives("{\"doc_to_target\": \"n\"}", "[null, [\"3\"]]");
}

static void wrong_choices_and_targets_are_refused(void **state)
{
	(void)state;
	gives_none("{\"doc_to_choice\": \"q\", \"doc_to_target\": 0}",
		   "no list");
	gives_none("{\"doc_to_choice\": \"{{list}} \", \"doc_to_target\": 0}",
		   "no list");
	gives_none("{\"doc_to_choice\": \"list\", \"doc_to_target\": 2}",
		   "none of the 2 choices");
	gives_none("{\"doc_to_choice\": \"list\", \"doc_to_target\": \"q\"}",
		   "none of the 2 choices");
	gives_none("{\"doc_to_target\": \"{{nobody}}\"}", "no field 'nobody'");
	gives_none("{\"doc_to_target\": \"{{a}}\"}", "no text");
}

/* ---- answers ---- */

static void filters(const char *spec, const char *answer, const char *want)
{
	struct task_filter f = { 0 };
	json_t *root = json(spec);
	char *out;

	assert_int_equal(task_filter_read(&f, root), 0);
	assert_int_equal(task_filtered(&run, &f, answer, &out), 0);
	assert_string_equal(out, want);
	free(out);
	for (size_t i = 0; i < TASK_PATTERNS; i++)
		regex_free(f.re[i]);
	json_decref(root);
}

static void filters_are_that_harness(void **state)
{
	(void)state;
#define REGEX(pattern, more) "{\"name\": \"x\", \"filter\": [{\"function\": " \
	"\"regex\", \"regex_pattern\": \"" pattern "\"" more "}]}"
	filters(REGEX("[0-9]+", ""), "a 12 b 34", "12");
	filters(REGEX("[0-9]+", ", \"group_select\": -1"), "a 12 b 34", "34");
	filters(REGEX("[0-9]+", ", \"group_select\": 1"), "a 12 b 34", "34");
	filters(REGEX("is ([a-z ]+)", ""), "it is so !", "so");
	filters(REGEX("(x)|(b) ", ""), "a b c", "b");
	filters(REGEX("(x)|(y)", ""), "a b c", "[invalid]");
	filters(REGEX("z", ", \"fallback\": \"?\""), "a b c", "?");
	filters("{\"name\": \"x\", \"filter\": [{\"function\": \"regex\"}, "
		"{\"function\": \"take_first\"}]}", "so #### 1,200 it is",
		"1,200");
	filters("{\"name\": \"x\", \"filter\": [{\"function\": "
		"\"remove_whitespace\"}, {\"function\": \"lowercase\"}]}",
		" \n A b ", "a b ");
#undef REGEX
}

static double agrees(const char *metric, const char *answer,
		     const char *targets)
{
	struct task_spec s = { 0 };
	struct task_metric m = { .name = metric };
	json_t *list = json(targets);
	double x;

	assert_int_equal(regex_new(&s.articles, "\\b(a|an|the)\\b", 14,
				   E_BUG), 0);
	assert_int_equal(regex_new(&s.blanks, "\\s+", 3, E_BUG), 0);
	assert_int_equal(task_agrees(&run, &s, &m, answer, list, &x), 0);
	regex_free(s.articles);
	regex_free(s.blanks);
	json_decref(list);
	return x;
}

static void squad_is_about_words(void **state)
{
	(void)state;
	assert_true(agrees("exact_match", "The cat", "[\"the cat\"]") == 0);
	assert_true(agrees("exact_match", "the cat", "[\"x\", \"the cat\"]")
		    == 1);
	assert_true(agrees("exact", "The  cat!", "[\"a cat\"]") == 1);
	assert_true(agrees("exact", "cats", "[\"cat\"]") == 0);
	assert_true(agrees("exact", "a cat", "[\"cat sat\"]") == 0);
	assert_true(agrees("f1", "the cat", "[\"cat\"]") == 1);
	/* one of two, one of three */
	assert_true(agrees("f1", "cat mat", "[\"the cat sat on\"]") ==
		    2 * (1. / 2) * (1. / 3) / (1. / 2 + 1. / 3));
	assert_true(agrees("f1", "b b", "[\"b\"]") ==
		    2 * (1. / 2) * 1 / (1. / 2 + 1));
	assert_true(agrees("f1", "dog", "[\"cat\"]") == 0);
	assert_true(agrees("f1", "the", "[\"an\"]") == 1); /* no words left */
	assert_true(agrees("f1", "", "[\"cat\"]") == 0);
}

/* ---- descriptions ---- */

static char path[] = "/tmp/weft-task-XXXXXX";

static int reads(const char *text)
{
	struct task_spec s;
	int err;

	assert_int_equal(io_write_file(path, text, strlen(text)), 0);
	err = task_spec_read(&s, path, NULL);
	task_spec_release(&s);
	return err;
}

static void bad(const char *text, const char *why)
{
	assert_int_equal(reads(text), E_DATA);
	if (!strstr(err_text(), path) || !strstr(err_text(), why))
		fail_msg("'%s' does not say '%s'", err_text(), why);
}

#define HEAD "{\"task\": \"x\", \"data\": \"d\", \"doc_to_target\": \"t\", "
#define MC "\"output_type\": \"multiple_choice\", "

static void what_a_description_must_not_say(void **state)
{
	(void)state;
	assert_int_equal(reads(HEAD "\"doc_to_text\": \"t\"}"), 0);
	bad("[1]", "no object");
	bad("{}", "no \"task\"");
	bad("{\"task\": 1}", "task is no text");
	bad(HEAD "\"colour\": 1}", "'colour' is no key");
	bad(HEAD "\"output_type\": \"loglikelihood\"}", "'loglikelihood'");
	bad(HEAD MC "\"doc_to_text\": \"\"}", "without doc_to_choice");
	bad(HEAD MC "\"doc_to_choice\": 1}", "neither text nor list");
	bad(HEAD MC "\"doc_to_choice\": \"c\", \"metric_list\": [\"f1\"]}",
	    "metric 'f1'");
	bad(HEAD MC "\"doc_to_choice\": \"c\", \"metric_list\": []}", "empty");
	bad(HEAD MC "\"doc_to_choice\": \"c\", \"metric_list\": [{\"metric\":"
	    " \"acc\", \"tolerance\": 1}]}", "'tolerance'");
	bad(HEAD MC "\"doc_to_choice\": \"c\", \"filter_list\": []}",
	    "no answer to filter");
	bad(HEAD "\"filter_list\": [{\"name\": \"f\", \"filter\": "
	    "[{\"function\": \"magic\"}]}]}", "'magic'");
	bad(HEAD "\"filter_list\": [{\"name\": \"f\", \"filter\": "
	    "[{\"function\": \"regex\", \"regex_pattern\": \"(\"}]}]}",
	    "pattern '('");
	bad(HEAD "\"generation_kwargs\": {\"temperature\": 0.7}}", "greedily");
	bad(HEAD "\"generation_kwargs\": {\"num_beams\": 2}}", "'num_beams'");
	bad(HEAD "\"generation_kwargs\": {\"max_gen_toks\": -1}}", "-1");
	bad(HEAD "\"num_fewshot\": -1}", "num_fewshot -1");
	bad("{\"task\": \"x\", \"doc_to_target\": \"t\"}", "use -d");
	bad("{\"task\": \"x\", \"data\": \"d\"}", "doc_to_target");
}

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(templates_are_fields_in_a_text),
		cmocka_unit_test(in_an_expansion_no_name_stands_alone),
		cmocka_unit_test(what_is_no_such_template_is_refused),
		cmocka_unit_test(choices_and_targets_are_fields_or_texts),
		cmocka_unit_test(wrong_choices_and_targets_are_refused),
		cmocka_unit_test(filters_are_that_harness),
		cmocka_unit_test(squad_is_about_words),
		cmocka_unit_test(what_a_description_must_not_say),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
