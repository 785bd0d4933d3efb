/* What a tokenizer.json may not be: refused in one line, by what it names. */
#include "base/json.h"
#include "formats/tokenizer.h"
#include "tests/unit/cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}"
#define MODEL "\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b\"]}"
#define WITH(part) "{" MODEL "," part "}"
#define STEP(family, step) WITH("\"" family "\":" step)

/* clang-format off */
static const struct {
	const char *json, *why;
} bad[] = {
	{ "", "" },
	{ "[]", "no object" },
	{ "{}", "no model" },
	{ "{\"model\":[]}", "no model" },
	{ "{\"model\":{\"type\":\"Unigram\"}}", "'Unigram'" },
	{ "{\"model\":{\"type\":\"BPE\"}}", "vocab is no object" },
	{ "{\"model\":{" VOCAB ",\"merges\":{}}}", "merges is no array" },
	{ "{\"model\":{" VOCAB ",\"merges\":[\"a b\",\"b x\"]}}", "merge 1" },
	{ "{\"model\":{" VOCAB ",\"merges\":[\"b a\"]}}", "merge 0" },
	{ "{\"model\":{" VOCAB ",\"merges\":[\"ab\"]}}", "not two tokens" },
	{ "{\"model\":{" VOCAB ",\"merges\":[\"a b c\"]}}", "not two" },
	{ "{\"model\":{" VOCAB ",\"merges\":[[\"a\"]]}}", "not two" },
	{ "{\"model\":{" VOCAB ",\"merges\":[7]}}", "not two tokens" },
	{ "{\"model\":{" VOCAB ",\"merges\":[],\"unk_token\":\"u\"}}", "'u'" },
	{ "{\"model\":{" VOCAB ",\"merges\":[],\"dropout\":0.1}}", "dropout" },
	{ "{\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}",
	  "id 0 has two tokens" },
	{ "{\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", "no id" },
	{ "{\"model\":{\"vocab\":{\"a\":0.5},\"merges\":[]}}", "no id" },
	{ "{\"model\":{\"vocab\":{\"a\":99999999},\"merges\":[]}}",
	  "99999999" },
	{ "{\"model\":{\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]}}", "duplic" },
	{ STEP("normalizer", "{}"), "normalizer has no type" },
	{ STEP("normalizer", "{\"type\":\"Precompiled\"}"), "'Precompiled'" },
	{ STEP("normalizer", "{\"type\":\"Prepend\"}"),
	  "prepend is no string" },
	{ STEP("normalizer", "{\"type\":\"Replace\",\"pattern\":{},"
	       "\"content\":\"\"}"), "neither String nor Regex" },
	{ STEP("pre_tokenizer", "{\"type\":\"UnicodeScripts\"}"),
	  "'UnicodeScripts'" },
	{ STEP("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":"
	       "\"(\"}}"), "pattern '(?m)('" },
	{ STEP("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":"
	       "\"[a&&b]\"}}"), "&&" },
	{ STEP("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"Regex\":"
	       "\"[a[b]]\"}}"), "nests" },
	{ STEP("pre_tokenizer", "{\"type\":\"Split\",\"pattern\":{\"String\":"
	       "\"a\"},\"behavior\":\"Odd\"}"), "'Odd'" },
	{ STEP("pre_tokenizer", "{\"type\":\"Metaspace\",\"replacement\":"
	       "\"ab\"}"), "one character" },
	{ STEP("post_processor", "{\"type\":\"TemplateProcessing\"}"),
	  "single" },
	{ STEP("post_processor", "{\"type\":\"TemplateProcessing\",\"single\":"
	       "[{\"SpecialToken\":{\"id\":\"<s>\"}}]}"), "'<s>' has no ids" },
	{ STEP("decoder", "{\"type\":\"CTC\"}"), "'CTC'" },
	{ STEP("decoder", "{\"type\":\"Strip\",\"start\":-1}"), "range" },
	{ WITH("\"added_tokens\":[{\"content\":\"x\"}]"), "no content or id" },
	{ WITH("\"added_tokens\":[{\"content\":\"x\",\"id\":-2}]"), "no cont" },
	{ WITH("\"added_tokens\":{}"), "added_tokens is no array" },
};

static const struct {
	const char *config, *why;
} bad_config[] = {
	{ "{", "line 1" },
	{ "{\"eos_token\":\"nosuch\"}", "eos_token 'nosuch'" },
	{ "{\"bos_token\":{\"content\":\"nosuch\"}}", "bos_token 'nosuch'" },
};
/* clang-format on */

static void refuse(const char *json, const char *config, const char *why)
{
	struct tokenizer *t;
	int err = tokenizer_new(&t, json, strlen(json), config,
				config ? strlen(config) : 0);

	if (err != E_DATA)
		fail_msg("%s: status %d", json, err);
	assert_null(t);
	assert_null(strchr(err_text(), '\n'));
	if (!strstr(err_text(), why) || strncmp(err_text(), "tokenizer", 9))
		fail_msg("'%s' does not say '%s'", err_text(), why);
}

static void malformed_files_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		refuse(bad[i].json, NULL, bad[i].why);
	for (size_t i = 0; i < sizeof(bad_config) / sizeof(*bad_config); i++)
		refuse(WITH("\"version\":\"1.0\""), bad_config[i].config,
		       bad_config[i].why);
}

static int write_all(const char *dir)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		write_case(dir, i, ".json", bad[i].json, strlen(bad[i].json));
	return 0;
}

static void a_sequence_does_not_nest_without_end(void **state)
{
	char json[2048] = "{" MODEL ",\"normalizer\":";

	(void)state;
	for (int i = 0; i < 20; i++)
		strcat(json, "{\"type\":\"Sequence\",\"normalizers\":[");
	for (int i = 0; i < 20; i++)
		strcat(json, "]}");
	strcat(json, "}");
	refuse(json, NULL, "nested too deeply");
}

static void a_pattern_that_explodes_is_an_error(void **state)
{
	static const char json[] = STEP("pre_tokenizer",
		"{\"type\":\"Split\",\"pattern\":{\"Regex\":"
		"\"(a+|b+|ab)+$\"},\"behavior\":\"Isolated\"}");
	struct tokenizer *t;
	struct ids ids = { 0 };
	char text[4000];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 3 ? 'a' : 'b';
	text[sizeof(text) - 1] = 'c';
	assert_int_equal(tokenizer_new(&t, json, strlen(json), NULL, 0), 0);
	assert_int_equal(tokenizer_encode(t, text, sizeof(text), 0, &ids),
			 E_DATA);
	ids_release(&ids);
	tokenizer_free(t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_files_are_refused),
		cmocka_unit_test(a_sequence_does_not_nest_without_end),
		cmocka_unit_test(a_pattern_that_explodes_is_an_error),
	};

	if (argc > 1)
		return write_all(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
