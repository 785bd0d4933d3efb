/* GGUF written: blocks, rows, and vocabularies that come back */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/size.h"
#include "formats/gguf_files.h"
#include "formats/gguf_pre.h"
#include "formats/gguf_rows.h"
#include "formats/gguf_vocab.h"
#include "tests/unit/golden.h"

/* ---- blocks ---- */

static size_t unhex(unsigned char **to, const char *hex)
{
	size_t n = strlen(hex) / 2;
	unsigned byte;

	*to = malloc(n + 1);
	assert_non_null(*to);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		(*to)[i] = (unsigned char)byte;
	}
	return n;
}

static void blocks_are_those_of_the_reference(void **state)
{
	static const char *const name[] = { "q8_0", "q4_0" };
	double differ[] = { 0, 0 };
	char path[512];
	json_t *golden;
	unsigned char *raw;
	float *x;
	size_t n;

	(void)state;
	golden_path(path, "gguf/blocks.json");
	if (access(path, R_OK))
		skip(); /* another set */
	assert_int_equal(json_read_file(&golden, path, 1 << 20), 0);
	n = unhex(&raw, json_text(golden, "values", ""));
	assert_true(n > 0);
	x = malloc(n);
	assert_non_null(x);
	memcpy(x, raw, n);
	for (size_t i = 0; i < NELEM(name); i++) {
		const struct gguf_block *b = gguf_block_named(name[i]);
		size_t blocks = n / 4 / b->count;
		unsigned char *want, *got = malloc(blocks * b->bytes);

		assert_int_equal(unhex(&want, json_text(golden, name[i], "")),
				 blocks * b->bytes);
		b->encode(got, x, blocks);
		for (size_t k = 0; k < blocks; k++)
			differ[i] += !!memcmp(got + k * b->bytes,
					      want + k * b->bytes, b->bytes);
		golden_report("gguf/blocks", name[i], differ[i], 0);
		free(got);
		free(want);
	}
	free(raw);
	free(x);
	json_decref(golden);
}

/* ---- rows ---- */

static void rows_are_put_back_where_they_were(void **state)
{
	const struct gguf_rows halves = { .heads = 2 };
	const struct gguf_rows groups = { .groups = 2, .dim = 2 };
	/* two heads of 4: halves interleaved */
	static const size_t half[] = { 0, 2, 1, 3, 4, 6, 5, 7 };
	/* two groups of q q k v, heads of 2 */
	static const size_t group[] = { 0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 12, 13,
					6, 7, 14, 15 };

	(void)state;
	for (size_t i = 0; i < NELEM(half); i++)
		assert_int_equal(gguf_row(&halves, i, NELEM(half)), half[i]);
	for (size_t i = 0; i < NELEM(group); i++)
		assert_int_equal(gguf_row(&groups, i, NELEM(group)),
				 group[i]);
	assert_int_equal(gguf_rows_check(&halves, "x", 6), E_DATA);
	assert_int_equal(gguf_rows_check(&groups, "x", 15), E_DATA);
	assert_int_equal(gguf_rows_check(&groups, "x", 8), E_DATA);
}

/* ---- vocabularies ---- */

#define ADDED(more)                                                        \
	"\"added_tokens\":[{\"id\":0,\"content\":\"<s>\",\"special\":true" \
	more "}],"
#define BYTES "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define MODEL                                                             \
	"\"model\":{\"type\":\"BPE\",\"vocab\":{\"<s>\":0,\"a\":1,"       \
	"\"b\":2,\"ab\":3},\"merges\":[[\"a\",\"b\"]]}}"
#define PIECES(merges)                                                    \
	"\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,"             \
	"\"fuse_unk\":true,\"unk_token\":\"<unk>\",\"vocab\":{"           \
	"\"<unk>\":0,\"<0x0A>\":1,\"\xe2\x96\x81\":2,\"a\":3,\"b\":4,"    \
	"\"ab\":5,\"\xe2\x96\x81" "ab\":6,\"aba\":7},\"merges\":["        \
	merges "]}}"
#define REPLACE                                                           \
	"{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"           \
	"\"content\":\"\xe2\x96\x81\"}"
#define GOOD_MERGES "[\"a\",\"b\"],[\"\xe2\x96\x81\",\"ab\"],[\"ab\",\"a\"]"

/* A file of this tokenizer alone: it holds so many tokens. */
static int write_vocab(const char *json, size_t rows, struct gguf *g,
		       char *path)
{
	struct gguf_sides s = { .tokenizer = (char *)(uintptr_t)json,
				.tokenizer_size = strlen(json) };
	struct file file = { 0 }, back;
	struct gguf_out o = { .file = &file, .arch = "llama" };
	json_t *config = json_pack("{sisi}", "bos_token_id", 0,
				   "eos_token_id", 0);
	int err, fd;

	*g = (struct gguf){ 0 };
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
	assert_int_equal(file_create(&file, path), 0);
	err = gguf_vocab_keys(&o, &s, config, rows);
	if (!err)
		err = gguf_out_finish(&o);
	file_close(&file);
	gguf_out_release(&o);
	if (!err) {
		assert_int_equal(file_open(&back, "/", path + 1), 0);
		err = gguf_read(g, &back);
		file_close(&back);
	}
	if (!err)
		err = gguf_vocab_check(g, &s);
	unlink(path);
	json_decref(config);
	return err;
}

static void a_vocabulary_comes_back(void **state)
{
	static const struct {
		const char *json, *pre;
		double space;
	} good[] = {
		{ "{" ADDED() "\"pre_tokenizer\":" BYTES "," MODEL, "gpt-2",
		  -1 },
		{ "{" ADDED() "\"normalizer\":{\"type\":\"NFC\"},"
		  "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":"
		  "[{\"type\":\"Digits\",\"individual_digits\":true}," BYTES
		  "]}," MODEL, "smollm", -1 },
		{ "{\"normalizer\":" REPLACE "," PIECES(GOOD_MERGES),
		  "default", 0 },
		{ "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
		  "{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"},"
		  REPLACE "]}," PIECES(GOOD_MERGES), "default", 1 },
		{ "{\"pre_tokenizer\":{\"type\":\"Metaspace\","
		  "\"prepend_scheme\":\"first\"}," PIECES(GOOD_MERGES),
		  "default", 1 },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(good); i++) {
		char path[] = "/tmp/gguf-out-XXXXXX";
		const struct gguf_value *v;
		json_t *pre;
		struct gguf g;
		double x = -1;

		if (write_vocab(good[i].json, 11, &g, path))
			fail_msg("%zu: %s", i, err_text());
		pre = gguf_json_text(&g, "tokenizer.ggml.pre");
		assert_string_equal(json_string_value(pre), good[i].pre);
		v = gguf_find(&g, "tokenizer.ggml.tokens");
		assert_int_equal(v->count, 11);
		v = gguf_find(&g, "tokenizer.ggml.token_type");
		assert_true(gguf_element(v, 10) == GGUF_UNUSED);
		v = gguf_find(&g, "tokenizer.ggml.add_space_prefix");
		if (v)
			assert_int_equal(gguf_number(v, &x), 0);
		assert_true(x == good[i].space);
		json_decref(pre);
		gguf_release(&g);
	}
}

static void a_tokenizer_that_gguf_cannot_say_is_refused(void **state)
{
	static const struct {
		const char *word, *json;
	} bad[] = {
		{ "pre-tokenizer", "{\"pre_tokenizer\":{\"type\":\"Split\","
		  "\"pattern\":{\"Regex\":\"[0-9]\"},\"behavior\":"
		  "\"Isolated\",\"invert\":false}," MODEL },
		{ "pre-tokenizer", "{\"pre_tokenizer\":{\"type\":\"ByteLevel\""
		  ",\"add_prefix_space\":true}," MODEL },
		{ "pre-tokenizer", "{" MODEL },
		{ "normalizer", "{\"normalizer\":{\"type\":\"NFKC\"},"
		  "\"pre_tokenizer\":" BYTES "," MODEL },
		{ "whole word", "{" ADDED(",\"single_word\":true")
		  "\"pre_tokenizer\":" BYTES "," MODEL },
		{ "rows", "{\"added_tokens\":[{\"id\":99,\"content\":\"<x>\"}]"
		  ",\"pre_tokenizer\":" BYTES "," MODEL },
		{ "normalizer", "{" PIECES(GOOD_MERGES) },
		{ "normalizer", "{\"normalizer\":{\"type\":\"Sequence\","
		  "\"normalizers\":[" REPLACE ",{\"type\":\"Lowercase\"}]},"
		  PIECES(GOOD_MERGES) },
		/* "aba" is "ab" "a" by score as well, which is not here */
		{ "merges", "{\"normalizer\":" REPLACE ","
		  PIECES("[\"a\",\"b\"],[\"\xe2\x96\x81\",\"ab\"]") },
		{ "post-processor", "{" ADDED() "\"post_processor\":{\"type\":"
		  "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
		  "{\"id\":\"ab\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
		  "\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"ab\":"
		  "{\"id\":\"ab\",\"ids\":[3],\"tokens\":[\"ab\"]}}},"
		  "\"pre_tokenizer\":" BYTES "," MODEL },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		char path[] = "/tmp/gguf-out-XXXXXX";
		struct gguf g;
		int err = write_vocab(bad[i].json, 11, &g, path);

		gguf_release(&g);
		if (err != E_DATA || !strstr(err_text(), bad[i].word))
			fail_msg("%zu: %d %s, want %s", i, err, err_text(),
				 bad[i].word);
	}
}

static void pre_tokenizers_are_recognised_in_every_spelling(void **state)
{
	static const char *const name[] = {
		"gpt-2", "smollm", "llama-bpe", "qwen2", "stablelm2",
		"gpt-4o", "deepseek-coder",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(name); i++) {
		const struct gguf_pre *p = gguf_pre_named(name[i]);
		json_t *json = gguf_pre_tokenizer(p), *in;

		assert_ptr_equal(gguf_pre_find(json, p->nfc, p->ignore_merges),
				 p);
		in = json_pack("{ss s[o]}", "type", "Sequence",
			       "pretokenizers", json);
		assert_ptr_equal(gguf_pre_find(in, p->nfc, p->ignore_merges),
				 p);
		assert_ptr_not_equal(gguf_pre_find(in, p->nfc,
						   !p->ignore_merges), p);
		json_decref(in);
	}
	assert_null(gguf_pre_find(NULL, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_those_of_the_reference),
		cmocka_unit_test(rows_are_put_back_where_they_were),
		cmocka_unit_test(a_vocabulary_comes_back),
		cmocka_unit_test(a_tokenizer_that_gguf_cannot_say_is_refused),
		cmocka_unit_test(
			pre_tokenizers_are_recognised_in_every_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
