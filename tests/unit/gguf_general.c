/* What a GGUF says of itself: as JSON, and back in the same bytes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "formats/gguf_general.h"
#include "tests/unit/gguf_made.h"

static void key(struct made *m, const char *name, enum gguf_type type,
		const void *value, size_t n)
{
	text(m, name);
	u32(m, type);
	put(m, value, n);
}

static void string(struct made *m, const char *name, const char *value)
{
	text(m, name);
	u32(m, GGUF_TEXT);
	text(m, value);
}

/* The general.* of a file of so many keys, in bytes of its own. */
static int read(char **json, const struct made *m)
{
	unsigned char *exact = malloc(m->n);
	json_t *general = NULL;
	struct gguf g;
	int err;

	assert_non_null(exact);
	memcpy(exact, m->at, m->n);
	*json = NULL;
	err = gguf_parse(&g, exact, m->n, m->n);
	if (!err) {
		err = gguf_general(&general, &g);
		gguf_release(&g);
	}
	free(exact);
	if (general)
		assert_int_equal(json_print(json, general, 0), 0);
	json_decref(general);
	return err;
}

static void expect(struct made *m, uint64_t nkey, const char *want)
{
	char *json;

	le64_put(m->at + 16, nkey);
	assert_int_equal(read(&json, m), 0);
	if (want)
		assert_string_equal(json, want);
	else
		assert_null(json);
	free(json);
}

/* One key of every type, in the order of their names. */
static uint64_t every_type(struct made *m)
{
	static const struct {
		const char *name;
		enum gguf_type type;
		size_t n;
		const char *bytes;
	} one[] = {
		{ "general.a", GGUF_U8, 1, "\xff" },
		{ "general.b", GGUF_I8, 1, "\x80" },
		{ "general.c", GGUF_U16, 2, "\xff\xff" },
		{ "general.d", GGUF_I16, 2, "\0\x80" },
		{ "general.e", GGUF_U32, 4, "\xff\xff\xff\xff" },
		{ "general.f", GGUF_I32, 4, "\0\0\0\x80" },
		{ "general.g", GGUF_F32, 4, "\xcd\xcc\xcc\x3d" },
		{ "general.h", GGUF_BOOL, 1, "\1" },
		{ "general.i", GGUF_U64, 8, "\0\0\0\0\0\0\x20" },
		{ "general.j", GGUF_I64, 8,
		  "\xff\xff\xff\xff\xff\xff\xff\xff" },
		{ "general.k", GGUF_F64, 8,
		  "\x9a\x99\x99\x99\x99\x99\xb9\x3f" },
	};
	uint64_t n;

	head(m, 0, 0);
	for (n = 0; n < sizeof(one) / sizeof(*one); n++)
		key(m, one[n].name, one[n].type, one[n].bytes, one[n].n);
	string(m, "general.l", "a \"b\" \xc3\xa9\n");
	text(m, "general.m");
	u32(m, GGUF_ARRAY);
	u32(m, GGUF_TEXT);
	u64(m, 2);
	text(m, "");
	text(m, "x");
	text(m, "general.n");
	u32(m, GGUF_ARRAY);
	u32(m, GGUF_I16);
	u64(m, 2);
	put(m, "\1\0\xff\xff", 4);
	text(m, "general.o");
	u32(m, GGUF_ARRAY);
	u32(m, GGUF_F64);
	u64(m, 0);
	le64_put(m->at + 16, n + 4);
	return n + 4;
}

static void every_type_comes_back(void **state)
{
	static const char want[] =
		"{\"general.a\": {\"uint8\": 255}, "
		"\"general.b\": {\"int8\": -128}, "
		"\"general.c\": {\"uint16\": 65535}, "
		"\"general.d\": {\"int16\": -32768}, "
		"\"general.e\": {\"uint32\": 4294967295}, "
		"\"general.f\": {\"int32\": -2147483648}, "
		"\"general.g\": {\"float32\": 0.1}, "
		"\"general.h\": {\"bool\": true}, "
		"\"general.i\": {\"uint64\": 9007199254740992}, "
		"\"general.j\": {\"int64\": -1}, "
		"\"general.k\": {\"float64\": 0.1}, "
		"\"general.l\": {\"string\": \"a \\\"b\\\" \u00e9\\n\"}, "
		"\"general.m\": {\"string\": [\"\", \"x\"]}, "
		"\"general.n\": {\"int16\": [1, -1]}, "
		"\"general.o\": {\"float64\": []}}";
	struct gguf_out o = { .arch = "none" };
	static struct made m;
	uint64_t n = every_type(&m);

	(void)state;
	expect(&m, n, want);
	assert_int_equal(gguf_general_keys(&o, want, sizeof(want) - 1, NULL),
			 0);
	assert_int_equal(o.nkey, n);
	assert_int_equal(o.key.n, m.n - 24);
	assert_memory_equal(o.key.at, m.at + 24, o.key.n);
	gguf_out_release(&o);
}

static void what_the_file_is_is_no_part_of_it(void **state)
{
	static struct made m;

	(void)state;
	head(&m, 0, 0);
	string(&m, "general.architecture", "llama");
	string(&m, "general.type", "model");
	key(&m, "general.file_type", GGUF_U32, "\2\0\0", 4);
	key(&m, "general.quantization_version", GGUF_U32, "\2\0\0", 4);
	key(&m, "general.alignment", GGUF_U32, "\40\0\0", 4);
	string(&m, "general.", "nothing");
	string(&m, "generals.name", "other");
	string(&m, "general", "other");
	string(&m, "tokenizer.ggml.model", "gpt2");
	expect(&m, 9, NULL);
	string(&m, "general.types", "x");
	string(&m, "general.typ", "y");
	expect(&m, 11, "{\"general.typ\": {\"string\": \"y\"}, "
		       "\"general.types\": {\"string\": \"x\"}}");
}

static void what_json_cannot_hold_is_left_out(void **state)
{
	static struct made m;

	(void)state;
	head(&m, 0, 0);
	string(&m, "general.a", "cut \xc3");
	string(&m, "general.b\xff", "name");
	key(&m, "general.c", GGUF_F32, "\0\0\xc0\x7f", 4);
	key(&m, "general.d", GGUF_F64, "\0\0\0\0\0\0\xf0\x7f", 8);
	key(&m, "general.e", GGUF_U64, "\2\0\0\0\0\0\x20", 8);
	key(&m, "general.f", GGUF_I64, "\0\0\0\0\0\0\0\x80", 8);
	text(&m, "general.g");
	u32(&m, GGUF_ARRAY);
	u32(&m, GGUF_U8);
	u64(&m, GGUF_GENERAL + 1);
	for (int i = 0; i <= GGUF_GENERAL; i++)
		put(&m, "", 1);
	text(&m, "general.h");
	u32(&m, GGUF_ARRAY);
	u32(&m, GGUF_F32);
	u64(&m, 2);
	put(&m, "\0\0\0\0\0\0\x80\x7f", 8);
	text(&m, "general.i");
	u32(&m, GGUF_ARRAY);
	u32(&m, GGUF_TEXT);
	u64(&m, 2);
	text(&m, "fine");
	text(&m, "\x80");
	expect(&m, 9, NULL);
	string(&m, "general.name", "x");
	expect(&m, 10, "{\"general.name\": {\"string\": \"x\"}}");
}

static void a_name_that_is_given_is_the_name(void **state)
{
	static const char json[] = "{\"general.name\": {\"string\": 7}}";
	struct gguf_out o = { .arch = "none" };

	(void)state;
	assert_int_equal(gguf_general_keys(&o, json, sizeof(json) - 1, "mine"),
			 0);
	assert_int_equal(o.nkey, 0);
	assert_int_equal(gguf_general_keys(&o, json, sizeof(json) - 1, NULL),
			 E_DATA);
	assert_non_null(strstr(err_text(), "gguf.json: general.name: "));
	gguf_out_release(&o);
}

static void no_flipped_bit_crashes(void **state)
{
	static struct made m;

	(void)state;
	every_type(&m);
	for (size_t bit = 24 * 8; bit < m.n * 8; bit++) {
		struct gguf_out o = { .arch = "none" };
		char *json;

		m.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
		if (!read(&json, &m) && json)
			assert_int_equal(gguf_general_keys(&o, json,
							   strlen(json), NULL),
					 0);
		free(json);
		gguf_out_release(&o);
		m.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_comes_back),
		cmocka_unit_test(what_the_file_is_is_no_part_of_it),
		cmocka_unit_test(what_json_cannot_hold_is_left_out),
		cmocka_unit_test(a_name_that_is_given_is_the_name),
		cmocka_unit_test(no_flipped_bit_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
