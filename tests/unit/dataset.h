/* What the tests of data sets share: a small tokenizer, a file, its samples. */
#ifndef TESTS_UNIT_DATASET_H
#define TESTS_UNIT_DATASET_H

#include "base/io.h"
#include "base/json.h"
#include "data/samples.h"
#include "formats/dataset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/weft-dataset-XXXXXX";
static char path[256];
static struct tokenizer *tiny; /* bytes, and the tokens of ChatML */

static const char config[] = "{\"bos_token\": \"<s>\", \"eos_token\": "
	"{\"content\": \"</s>\"}}";

/* The small byte-level vocabulary with tokens for turns. */
static inline void make_tiny_with(const char *settings)
{
	static const char *const added[] = { "<s>", "</s>", "<|im_start|>",
					     "<|im_end|>" };
	json_t *root, *file, *list = json_array();
	char *text;

	assert_int_equal(json_read_file(&root, "tests/golden/text/"
					"tokenizers.json", 1 << 24), 0);
	file = json_deep_copy(json_object_get(json_array_get(json_object_get(
		root, "variants"), 0), "parts"));
	for (size_t i = 0; i < 4; i++)
		json_array_append_new(list, json_pack(
			"{s:i,s:s,s:b}", "id", (int)(400 + i), "content",
			added[i], "special", 1));
	json_object_set_new(file, "added_tokens", list);
	json_object_set(file, "model", json_array_get(json_object_get(
		root, "models"), 0));
	assert_int_equal(json_print(&text, file, 0), 0);
	assert_int_equal(tokenizer_new(&tiny, text, strlen(text), settings,
				       strlen(settings)), 0);
	free(text);
	json_decref(file);
	json_decref(root);
}

static inline void make_tiny(void)
{
	make_tiny_with(config);
}

static inline void write_data(const char *name, const char *text)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(io_write_file(path, text, strlen(text)), 0);
}

static inline int keep(void *ctx, const struct dataset_sample *s)
{
	return samples_add(ctx, s->id, s->label, s->n);
}

static inline int take(struct samples *s, struct dataset_stats *stats,
		const struct dataset_options *o, struct tokenizer *t)
{
	memset(s, 0, sizeof(*s));
	memset(stats, 0, sizeof(*stats));
	return dataset_read(path, t, o, stats, keep, s);
}

static inline int setup(void **state)
{
	(void)state;
	make_tiny();
	return !mkdtemp(folder);
}

static inline int teardown(void **state)
{
	static const char *const names[] = { "a.json", "a.jsonl", "a.txt" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
	tokenizer_free(tiny);
	return 0;
}

#endif
