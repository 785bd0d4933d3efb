/*
 * Tokenizers: golden F by the reference's tokenizer.json (where the golden set
 * is), and each kind of step on a small vocabulary of our own.
 */
#include "base/io.h"
#include "base/json.h"
#include "formats/tokenizer_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

static json_t *reference; /* the model's tokenizer.json; NULL: not here */

static json_t *golden(const char *name)
{
	char path[256], buf[512];
	json_t *root;

	snprintf(path, sizeof(path), "F/%s", name);
	if (json_read_file(&root, golden_path(buf, path), 1 << 24)) {
		print_message("%s\n", err_text());
		skip();
	}
	return root;
}

static struct tokenizer *from_json(json_t *root)
{
	struct tokenizer *t;
	char *text;

	assert_int_equal(json_print(&text, root, 0), 0);
	if (tokenizer_new(&t, text, strlen(text), NULL, 0))
		fail_msg("%s", err_text());
	free(text);
	return t;
}

/* Each is 1 when the ids, or the text, are not the reference's, and says it. */
static size_t ids_differ(struct tokenizer *t, const char *text, size_t size,
			 json_t *want)
{
	struct ids ids = { 0 };
	size_t n = json_array_size(want), i = 0;
	int differ;

	assert_int_equal(tokenizer_encode(t, text, size, 0, &ids), 0);
	while (i < ids.n && i < n && (json_int_t)ids.at[i] ==
	       json_integer_value(json_array_get(want, i)))
		i++;
	differ = i < ids.n || i < n;
	if (differ)
		print_error("'%s': id %zu of %zu, want %zu\n", text, i, ids.n,
			    n);
	ids_release(&ids);
	return (size_t)differ;
}

static size_t text_differs(struct tokenizer *t, json_t *ids, int skip,
			   json_t *want)
{
	size_t n = json_array_size(ids), size;
	uint32_t id[2048];
	char *text;
	int differ;

	assert_true(n <= 2048);
	for (size_t i = 0; i < n; i++)
		id[i] = (uint32_t)json_integer_value(json_array_get(ids, i));
	assert_int_equal(tokenizer_decode(t, id, n, skip, &text, &size), 0);
	differ = size != json_string_length(want) ||
		 memcmp(text, json_string_value(want), size);
	if (differ)
		print_error("decoded '%.*s', want '%s'\n", (int)size, text,
			    json_string_value(want));
	free(text);
	return (size_t)differ;
}

static size_t case_differs(struct tokenizer *t, json_t *c)
{
	json_t *text = json_object_get(c, "text");

	return ids_differ(t, json_string_value(text),
			  json_string_length(text), json_object_get(c, "ids"));
}

static void report(const char *name, const char *how, const char *what,
		   size_t differ, size_t cases)
{
	char text[100];

	assert_true(cases > 0);
	snprintf(text, sizeof(text), "%s: %s that differ", how, what);
	golden_report(name, text, (double)differ, 0);
}

static void need_reference(void)
{
	if (!reference) {
		print_message("the golden set's tokenizer.json is not here\n");
		skip();
	}
}

static void check_smollm2(struct tokenizer *t, const char *how)
{
	json_t *root = golden("smollm2/case.json"), *c;
	size_t i, ids = 0, texts = 0;

	json_array_foreach(json_object_get(root, "cases"), i, c) {
		json_t *want = json_object_get(c, "ids");

		ids += case_differs(t, c);
		texts += text_differs(t, want, 0,
				      json_object_get(c, "decoded"));
		texts += text_differs(t, want, 1, json_object_get(
			c, "decoded_skip_special"));
	}
	report("F/smollm2", how, "strings", ids, i);
	report("F/smollm2", how, "decoded strings", texts, i);
	assert_int_equal(tokenizer_vocab(t), 49152);
	assert_int_equal(tokenizer_id(t, "<|im_end|>"), 2);
	json_decref(root);
	root = golden("smollm2/decode.json");
	texts = 0;
	json_array_foreach(json_object_get(root, "cases"), i, c)
		texts += text_differs(t, json_object_get(c, "ids"), 0,
				      json_object_get(c, "text"));
	report("F/smollm2/decode", how, "strings", texts, i);
	json_decref(root);
}

static void check_chat(struct tokenizer *t, const char *how)
{
	json_t *root = golden("smollm2/chat.json"), *c;
	size_t i, differ = 0;

	json_array_foreach(json_object_get(root, "cases"), i, c)
		differ += case_differs(t, c);
	report("F/smollm2/chat", how, "strings", differ, i);
	json_decref(root);
}

static void smollm2_ids_are_the_reference_s(void **state)
{
	struct tokenizer *t;

	(void)state;
	need_reference();
	t = from_json(reference);
	check_smollm2(t, "tokenizer.json");
	check_chat(t, "tokenizer.json");
	tokenizer_free(t);
}

/* The tokenizer that is made from a GGUF file's vocabulary. */
static void a_gguf_s_tokenizer_gives_them_too(void **state)
{
	struct tokenizer *t;

	(void)state;
	if (!getenv("WEFT_MODEL")) {
		print_message("WEFT_MODEL is not set\n");
		skip();
	}
	if (tokenizer_open(&t, getenv("WEFT_MODEL"), NULL))
		fail_msg("%s", err_text());
	check_smollm2(t, "GGUF");
	check_chat(t, "GGUF");
	assert_int_equal(tokenizer_bos(t), 1);
	assert_int_equal(tokenizer_eos(t), 2);
	assert_non_null(tokenizer_template(t));
	tokenizer_free(t);
}

static size_t unhex(char *to, const char *hex)
{
	size_t n = 0;
	unsigned byte;

	assert_true(strlen(hex) < 2 * 64);
	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		to[n++] = (char)byte;
	return n;
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
	struct tokenizer *t;
	char bytes[64];
	json_t *root, *c;
	size_t i, differ = 0;

	(void)state;
	need_reference();
	root = golden("smollm2/bytes.json");
	t = from_json(reference);
	json_array_foreach(json_object_get(root, "cases"), i, c) {
		size_t n = unhex(bytes, json_text(c, "hex", NULL));

		bytes[n] = 0;
		differ += ids_differ(t, bytes, n, json_object_get(c, "ids"));
	}
	report("F/smollm2/bytes", "tokenizer.json", "strings", differ, i);
	json_decref(root);
	tokenizer_free(t);
}

/* The reference with the case's pre-tokenizer, normalizer, ignore_merges. */
static void check_override(const char *name)
{
	char path[64];
	json_t *root, *copy = json_deep_copy(reference), *c, *value;
	const char *key;
	struct tokenizer *t;
	size_t i, differ = 0;

	snprintf(path, sizeof(path), "pretok/%s.json", name);
	root = golden(path);

	json_object_foreach(json_object_get(root, "override"), key, value)
		json_object_set(strchr(key, '.') ?
				json_object_get(copy, "model") : copy,
				strchr(key, '.') ? strchr(key, '.') + 1 : key,
				value);
	t = from_json(copy);
	json_array_foreach(json_object_get(root, "cases"), i, c)
		differ += case_differs(t, c);
	snprintf(path, sizeof(path), "F/pretok/%s", name);
	report(path, "tokenizer.json", "strings", differ, i);
	tokenizer_free(t);
	json_decref(copy);
	json_decref(root);
}

static void other_pretokenizers_cut_as_the_reference(void **state)
{
	(void)state;
	need_reference();
	check_override("gpt2");
	check_override("gpt2_prefix_space");
	check_override("llama3");
	check_override("o200k");
	check_override("qwen2");
}

/* ---- every part, on small vocabularies, against the reference library ---- */

static json_t *variant_file(json_t *root, json_t *v)
{
	size_t which = (size_t)json_integer_value(json_object_get(v, "model"));
	json_t *models = json_object_get(root, "models");
	json_t *file = json_deep_copy(json_object_get(v, "parts"));
	json_t *model = json_deep_copy(json_array_get(models, which));

	json_object_update(model, json_object_get(v, "change"));
	json_object_set_new(file, "model", model);
	return file;
}

static void compare_ids(const char *name, const char *text, struct ids *ids,
			json_t *want)
{
	size_t n = json_array_size(want);

	for (size_t i = 0; i < ids->n || i < n; i++) {
		int64_t got = i < ids->n ? (int64_t)ids->at[i] : -1;
		int64_t id = i < n ? json_integer_value(
			json_array_get(want, i)) : -1;

		if (got != id)
			fail_msg("%s: '%s': id %zu is %lld, want %lld", name,
				 text, i, (long long)got, (long long)id);
	}
}

static void compare_text(const char *name, struct tokenizer *t,
			 struct ids *ids, int skip, json_t *want)
{
	char *text;
	size_t size;

	assert_int_equal(tokenizer_decode(t, ids->at, ids->n, skip, &text,
					  &size), 0);
	if (size != json_string_length(want) ||
	    memcmp(text, json_string_value(want), size))
		fail_msg("%s: decoded to '%s', want '%s'", name, text,
			 json_string_value(want));
	free(text);
}

static void check_case(const char *name, struct tokenizer *t, json_t *text,
		       json_t *c)
{
	json_t *special = json_object_get(c, "special");
	struct ids ids = { 0 };

	assert_int_equal(tokenizer_encode(t, json_string_value(text),
					  json_string_length(text), 0, &ids),
			 0);
	compare_ids(name, json_string_value(text), &ids,
		    json_object_get(c, "ids"));
	ids.n = 0;
	assert_int_equal(tokenizer_encode(t, json_string_value(text),
					  json_string_length(text), 1, &ids),
			 0);
	compare_ids(name, json_string_value(text), &ids,
		    special ? special : json_object_get(c, "ids"));
	compare_text(name, t, &ids, 0, json_object_get(c, "text"));
	compare_text(name, t, &ids, 1, json_object_get(c, "skipped"));
	ids_release(&ids);
}

static void every_part_does_as_the_reference_s(void **state)
{
	json_t *root, *v, *c;
	size_t i, k;

	(void)state;
	assert_int_equal(json_read_file(&root, "tests/golden/text/"
					"tokenizers.json", 1 << 24), 0);
	json_array_foreach(json_object_get(root, "variants"), i, v) {
		json_t *file = variant_file(root, v);
		struct tokenizer *t = from_json(file);

		json_array_foreach(json_object_get(v, "cases"), k, c)
			check_case(json_text(v, "name", ""), t,
				   json_array_get(json_object_get(root,
								  "texts"), k),
				   c);
		tokenizer_free(t);
		json_decref(file);
	}
	assert_true(i > 40);
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smollm2_ids_are_the_reference_s),
		cmocka_unit_test(a_gguf_s_tokenizer_gives_them_too),
		cmocka_unit_test(bytes_that_are_no_text_are_replaced),
		cmocka_unit_test(other_pretokenizers_cut_as_the_reference),
		cmocka_unit_test(every_part_does_as_the_reference_s),
	};
	static const char *const where[] = { "../shared/golden",
					     "../../shared/golden" };
	char path[256];
	int status;

	for (size_t i = 0; !reference && i < 2; i++) {
		snprintf(path, sizeof(path), "%s/data/smollm2/tokenizer.json",
			 where[i]);
		if (json_read_file(&reference, path, 1 << 26))
			reference = NULL;
	}
	status = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(reference);
	return status;
}
