/* The language of families: faults name their line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "arch/family.h"

static json_t *json_of(const char *text)
{
	json_t *j;

	if (json_parse(&j, text, strlen(text)))
		fail_msg("%s", err_text());
	return j;
}

#define CONFIG "family f\nconfig\n\tlayers a\n\thidden b\n\tvocab c\n"
#define TENSORS "tensors\n\te embed vocab,hidden x y\n"
#define STEPS "head\n\tembed -> x e\nblock\n\tadd x x -> x\n" \
	      "tail\n\tlinear x -> y e\n"

/* GGUF's keys: those of the file, then those that all families have. */
static void metadata_names_keys_of_config(void **state)
{
	static const char text[] = CONFIG "\tdim dim | hidden / 4\n"
		"\tt p.t | t | 3\n\tu 2 * hidden | none\n"
		"metadata\n\tembedding_length u32 dim\n\tk f32 t\n"
		"\tl bool u w\n\tm u32 u\n" TENSORS STEPS;
	static const char *const want[][2] = {
		{ "embedding_length", "dim" }, { "k", "t" }, { "l", "w" },
		{ "m", "" }, { "block_count", "a" },
		{ "context_length", "max_position_embeddings" },
		{ "vocab_size", "c" },
	};
	const struct family_key *k;
	struct family *f;
	size_t n;

	(void)state;
	if (family_parse(&f, "family f\n", 9, "t") == 0)
		fail();
	if (family_parse(&f, text, strlen(text), "t"))
		fail_msg("%s", err_text());
	k = family_metadata(f, &n);
	assert_int_equal(n, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(k[i].key, want[i][0]);
		assert_string_equal(k[i].config, want[i][1]);
	}
	family_free(f);
}

/* Numbers are compared as GGUF holds them, and by what steps read. */
static void configurations_agree_or_not(void **state)
{
	static const char text[] = CONFIG
		"\tr.type t | \"default\"\n\tr.theta h | 10000\n"
		"\tr.factor f | none\n\tspare s | 1\n\tw w | 0\n" TENSORS
		"head\n\tembed -> x e\nblock\n\trope x -> x hidden r if w\n"
		"tail\n\tlinear x -> y e\n";
	static const struct {
		const char *json, *word; /* NULL: it agrees */
	} row[] = {
		{ "{\"a\":2,\"b\":4,\"c\":8}", NULL },
		{ "{\"a\":2,\"b\":4,\"c\":8,\"s\":9}", NULL },
		{ "{\"a\":2,\"b\":4,\"c\":8,\"f\":9}", NULL },
		{ "{\"a\":2,\"b\":4,\"c\":8,\"h\":10000.0001}", NULL },
		{ "{\"a\":3,\"b\":4,\"c\":8}", "layers" },
		{ "{\"a\":2,\"b\":4,\"c\":8,\"h\":10001}", "r.theta" },
		{ "{\"a\":2,\"b\":4,\"c\":8,\"t\":\"yarn\"}", "r.type" },
		{ "{\"a\":2,\"b\":4,\"c\":8,\"w\":1}", "w: is 0" },
	};
	struct family *f;
	struct family_config *a, *b;

	(void)state;
	if (family_parse(&f, text, strlen(text), "t"))
		fail_msg("%s", err_text());
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		json_t *x = json_of(row[0].json), *y = json_of(row[i].json);
		int err;

		assert_int_equal(family_configure(&a, f, x), 0);
		assert_int_equal(family_configure(&b, f, y), 0);
		err = family_agree(a, b);
		if (row[i].word ? err != E_DATA ||
				  !strstr(err_text(), row[i].word) : err)
			fail_msg("row %zu: %d %s", i, err, err_text());
		family_config_free(a);
		family_config_free(b);
		json_decref(x);
		json_decref(y);
	}
	family_free(f);
}

static const char *const fault[][2] = {
	{ "", "no \"family NAME\"" },
	{ "family\n", "line 1: not understood: family" },
	{ "family f g\n", "line 1: not understood" },
	{ "\tx y\n", "line 1: indented, but in no section" },
	{ "nonsense\n", "line 1: not understood: nonsense" },
	{ "config now\n", "line 1: words after" },
	{ "ignore\n", "line 1: nothing named" },
	{ "family f\nconfig\n\tlayers a |\n", "line 3: not an expr" },
	{ "family f\nconfig\n\tlayers a % b\n", "line 3: not an" },
	{ "family f\nconfig\n\tlayers \"a\n", "line 3: not an" },
	{ "family f\nconfig\n\tlayers cube(a)\n", "line 3: not an" },
	{ "family f\nconfig\n\tlayers 1x\n", "line 3: not an" },
	{ "family f\nconfig\n\tlayers\n", "line 3: not an" },
	{ "family f\nconfig\n\tlayers a\n\tlayers b\n",
	  "line 4: defined twice: layers" },
	{ "family f\n", "config must define layers" },
	{ CONFIG, "needs head, block and tail" },
	{ CONFIG "tensors\n\te embed\n", "line 7: want: name" },
	{ CONFIG "tensors\n\te wood vocab x y\n", "unknown role" },
	{ CONFIG "tensors\n\te embed vocab x y z\n",
	  "unknown attribute: z" },
	{ CONFIG TENSORS "head\n\tembed x\n", "line 9: want: op" },
	{ CONFIG TENSORS "head\n\tembed -> x f\n",
	  "line 9: no such tensor or number: f" },
	{ CONFIG TENSORS "head\n\tembed -> x e if\n",
	  "line 9: want: if NAME" },
	{ CONFIG TENSORS "head\n\tembed -> x e unless moon\n",
	  "line 9: no such number: moon" },
	{ CONFIG TENSORS "head\n\tembed -> x,,y e\n",
	  "line 9: no name or too long" },
	{ CONFIG "\tk layer_types[i]\n", "line 6: not an expr" },
	{ CONFIG TENSORS "head\n\tembed a b c d e -> x\n",
	  "line 9: too many inputs" },
	{ CONFIG "tensors\n\thidden embed vocab x y\n" STEPS,
	  "no such tensor or number: e" },
	{ CONFIG "tensors\n\te embed vocab x y tied=g\n" STEPS,
	  "no such tensor: g" },
	{ CONFIG "tensors\n\te embed vocab x y grouped=g\n" STEPS,
	  "no g or no head_dim" },
	{ CONFIG "metadata\n\tk u32\n", "line 7: want: key type" },
	{ CONFIG "metadata\n\tk u32 hidden a b\n", "line 7: want:" },
	{ CONFIG "metadata\n\tk f64 hidden\n",
	  "line 7: unknown type: f64" },
	{ CONFIG "metadata\n\tk u32 moon\n",
	  "line 7: no such number: moon" },
	{ CONFIG "metadata\n\tk u32 hidden\n\tk u32 layers\n",
	  "line 8: defined twice: k" },
};

static void faults_name_the_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fault) / sizeof(fault[0]); i++) {
		struct family *f;
		const char *text = fault[i][0];
		int err = family_parse(&f, text, strlen(text), "t");

		assert_null(f);
		if (err != E_DATA || !strstr(err_text(), fault[i][1]))
			fail_msg("row %zu: status %d, message \"%s\", want "
				 "\"%s\"", i, err, err ? err_text() : "",
				 fault[i][1]);
	}
}

static void continuations_and_comments(void **state)
{
	static const char text[] =
		CONFIG "\tk a | # first\n\n\t   b |\n# between\n\t   7\n"
		TENSORS STEPS;
	struct family *f;
	struct family_config *c;
	json_t *j = json_of("{\"a\": 1, \"b\": 2, \"c\": 3}");
	double x;
	size_t n;

	(void)state;
	if (family_parse(&f, text, sizeof(text) - 1, "t"))
		fail_msg("%s", err_text());
	assert_int_equal(family_configure(&c, f, j), 0);
	assert_int_equal(family_real(&x, c, "k"), 0);
	assert_true(x == 1);
	family_config_free(c);
	json_object_del(j, "a");
	assert_int_equal(family_configure(&c, f, j), E_DATA);
	json_object_set_new(j, "a", json_null());
	assert_int_equal(family_configure(&c, f, j), E_DATA);
	assert_int_equal(family_steps(f, FAMILY_BLOCK, &n)->nin, 2);
	assert_int_equal(n, 1);
	family_free(f);
	json_decref(j);
}

/* Every text that begins or ends somewhere in a good one: no crash. */
static void any_part_of_a_text_is_read_or_refused(void **state)
{
	const struct family_text *t = &family_builtin[0];
	size_t size = strlen(t->text);

	(void)state;
	for (size_t i = 0; i < size; i += 3) {
		struct family *f;
		int err = family_parse(&f, t->text, i, "cut");

		assert_true(err == 0 || err == E_DATA);
		family_free(f);
		err = family_parse(&f, t->text + i, size - i, "cut");
		assert_true(err == 0 || err == E_DATA);
		family_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_name_the_line),
		cmocka_unit_test(metadata_names_keys_of_config),
		cmocka_unit_test(configurations_agree_or_not),
		cmocka_unit_test(continuations_and_comments),
		cmocka_unit_test(any_part_of_a_text_is_read_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
