/* Vocabularies of GGUF files give llama.cpp's ids (golden F/gguf, where it
 * is). */
#include "base/io.h"
#include "base/json.h"
#include "formats/tokenizer_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "golden.h"

static const char *folder(void)
{
	static const char *const where[] = { "../shared/golden/F/gguf",
					     "../../shared/golden/F/gguf" };
	struct stat st;

	for (size_t i = 0; i < 2; i++)
		if (!stat(where[i], &st))
			return where[i];
	print_message("golden F/gguf is not here\n");
	skip();
	return NULL;
}

static void check(const char *name)
{
	char path[256];
	struct tokenizer *t;
	json_t *root, *c;
	size_t i, differ = 0;

	snprintf(path, sizeof(path), "%s/%s/cases.json", folder(), name);
	assert_int_equal(json_read_file(&root, path, 1 << 24), 0);
	snprintf(path, sizeof(path), "%s/%s/%s", folder(), name,
		 json_text(root, "file", ""));
	if (tokenizer_open(&t, path, NULL))
		fail_msg("%s", err_text());
	json_array_foreach(json_object_get(root, "cases"), i, c) {
		json_t *text = json_object_get(c, "text");
		json_t *want = json_object_get(c, "ids");
		struct ids ids = { 0 };
		size_t k = 0;

		assert_int_equal(tokenizer_encode(t, json_string_value(text),
						  json_string_length(text), 0,
						  &ids), 0);
		while (k < ids.n && (json_int_t)ids.at[k] ==
		       json_integer_value(json_array_get(want, k)))
			k++;
		if (k < ids.n || k < json_array_size(want))
			print_error("%s: '%s': id %zu\n", name,
				    json_string_value(text), k);
		differ += k < ids.n || k < json_array_size(want);
		ids_release(&ids);
	}
	assert_true(i > 0);
	snprintf(path, sizeof(path), "F/gguf/%s", name);
	golden_report(path, "strings that differ", (double)differ, 0);
	tokenizer_free(t);
	json_decref(root);
}

static void gpt2(void **state)
{
	(void)state;
	check("gpt-2");
}

static void starcoder(void **state)
{
	(void)state;
	check("starcoder");
}

static void deepseek_coder(void **state)
{
	(void)state;
	check("deepseek-coder");
}

/* SentencePiece's: pieces with scores, bytes, no words. */
static void llama_spm(void **state)
{
	(void)state;
	check("llama-spm");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gpt2),
		cmocka_unit_test(starcoder),
		cmocka_unit_test(deepseek_coder),
		cmocka_unit_test(llama_spm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
