/* Edits of a JSON text leave every other byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "formats/grow.h"
#include "formats/json_span.h"

static void set(struct text *t, const char *to)
{
	t->n = 0;
	assert_int_equal(text_add_string(t, to), 0);
}

static void values_are_found(void **state)
{
	static const char text[] = " {\"a\\\"b\": \"]}\", \"x\" : {\"y\":[1,"
		"{\"z\":2}] ,\"z\":-3.5e7}, \"z\": null }\n";
	static const char *const at[][2] = {
		{ "x.y", "[1,{\"z\":2}]" }, { "x.z", "-3.5e7" },
		{ "z", "null" }, { "x", "{\"y\":[1,{\"z\":2}] ,\"z\":-3.5e7}" },
		{ "y", NULL }, { "x.y.z", NULL }, { "z.z", NULL },
		{ "x.", "{\"y\":[1,{\"z\":2}] ,\"z\":-3.5e7}" },
	};
	struct text t = { 0 };

	(void)state;
	set(&t, text);
	for (size_t i = 0; i < NELEM(at); i++) {
		struct json_span s;

		assert_int_equal(json_span_at(&s, &t, at[i][0]),
				 at[i][1] != NULL);
		if (!at[i][1])
			continue;
		assert_int_equal(s.end - s.start, strlen(at[i][1]));
		assert_memory_equal(t.at + s.start, at[i][1],
				    s.end - s.start);
	}
	text_release(&t);
}

static void entries_are_laid_out_as_their_neighbours(void **state)
{
	static const char *const at[][3] = {
		{ "{\"l\":[]}", NULL, "{\"l\":[{\"i\": 7}]}" },
		{ "{\"l\":[ ]}", NULL, "{\"l\":[{\"i\": 7} ]}" },
		{ "{\"l\":[1]}", NULL, "{\"l\":[1,{\"i\": 7}]}" },
		{ "{\"l\":[1, [2, 3] ]}", NULL,
		  "{\"l\":[1, [2, 3], {\"i\": 7} ]}" },
		{ "{\"l\": [\n    1,\n    2\n  ]}", NULL,
		  "{\"l\": [\n    1,\n    2,\n    {\n      \"i\": 7\n    }"
		  "\n  ]}" },
		{ "{\"l\": [\n\t\"a\"\n]}", NULL,
		  "{\"l\": [\n\t\"a\",\n\t{\n\t  \"i\": 7\n\t}\n]}" },
		{ "{\"l\": {\"a,\": 1}}", "b",
		  "{\"l\": {\"a,\": 1,\"b\": {\"i\": 7}}}" },
		{ "{\"l\": {\n \"a\": 1\n}}", "b",
		  "{\"l\": {\n \"a\": 1,\n \"b\": {\n   \"i\": 7\n }\n}}" },
	};
	struct text t = { 0 };
	json_t *value = json_pack("{s:i}", "i", 7);

	(void)state;
	for (size_t i = 0; i < NELEM(at); i++) {
		struct json_span s;

		set(&t, at[i][0]);
		assert_true(json_span_at(&s, &t, "l"));
		assert_int_equal(json_span_append(&t, s, at[i][1], value), 0);
		assert_string_equal(t.at, at[i][2]);
	}
	json_decref(value);
	text_release(&t);
}

/* ---- tokenizer.json ---- */

#define TOKENIZER(MORE)                                                     \
	"{\n  \"version\": \"1.0\",\n  \"added_tokens\": [\n    {\n"        \
	"      \"id\": 3,\n      \"content\": \"<s>\",\n"                   \
	"      \"single_word\": false,\n      \"lstrip\": false,\n"         \
	"      \"rstrip\": false,\n      \"normalized\": false,\n"          \
	"      \"special\": true\n    }" MORE "\n  ],\n"                    \
	"  \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1,"  \
	" \"c\": 2}, \"merges\": []}\n}\n"

static void tokens_get_the_next_ids(void **state)
{
	static const char *names[] = { "<|x|>", "b", "<\xc3\xa9>" };
	const struct opt_list tokens = { names, 3 };
	static const char want[] = TOKENIZER(",\n    {\n"
		"      \"id\": 4,\n      \"content\": \"<|x|>\",\n"
		"      \"single_word\": false,\n      \"lstrip\": false,\n"
		"      \"rstrip\": false,\n      \"normalized\": false,\n"
		"      \"special\": true\n    },\n    {\n"
		"      \"id\": 5,\n      \"content\": \"<\xc3\xa9>\",\n"
		"      \"single_word\": false,\n      \"lstrip\": false,\n"
		"      \"rstrip\": false,\n      \"normalized\": false,\n"
		"      \"special\": true\n    }");
	struct grow_choice c;
	struct text t = { 0 };

	(void)state;
	set(&t, TOKENIZER(""));
	assert_int_equal(grow_choose(&c, &tokens, t.at, t.n), 0);
	assert_int_equal(json_array_size(c.ids), 3);
	assert_int_equal(json_integer_value(json_array_get(c.ids, 1)), 1);
	assert_int_equal(json_array_size(c.added), 2);
	assert_int_equal(grow_tokenizer(&t, c.added), 0);
	assert_string_equal(t.at, want);
	assert_int_equal(grow_tokenizer(&t, c.added), 0);
	assert_string_equal(t.at, want);
	grow_choice_release(&c);
	assert_int_equal(grow_choose(&c, &tokens, t.at, t.n), 0);
	assert_int_equal(json_array_size(c.added), 0);
	grow_choice_release(&c);
	text_release(&t);
}

static void what_cannot_be_added_is_refused(void **state)
{
	static const char *const bad[] = {
		"[{\"id\": 3, \"content\": \"<t>\"}]",
		"[{\"id\": 9, \"content\": \"<s>\"}]",
		"[{\"id\": -1, \"content\": \"<t>\"}]",
		"[{\"id\": 4000000000, \"content\": \"<t>\"}]",
		"[{\"id\": 9}]", "[7]",
	};
	static const char *twice[] = { "a", "a" }, *empty[] = { "" };
	struct grow_choice c;
	struct text t = { 0 };

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		json_t *added = json_loads(bad[i], 0, NULL);

		set(&t, TOKENIZER(""));
		assert_int_equal(grow_tokenizer(&t, added), E_DATA);
		assert_string_equal(t.at, TOKENIZER(""));
		json_decref(added);
	}
	assert_int_equal(grow_choose(&c, &(struct opt_list){ twice, 2 }, t.at,
				     t.n), E_USAGE);
	grow_choice_release(&c);
	assert_int_equal(grow_choose(&c, &(struct opt_list){ empty, 1 }, t.at,
				     t.n), E_USAGE);
	grow_choice_release(&c);
	text_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_found),
		cmocka_unit_test(entries_are_laid_out_as_their_neighbours),
		cmocka_unit_test(tokens_get_the_next_ids),
		cmocka_unit_test(what_cannot_be_added_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
