/* safetensors: what is whole is read as it is, what is not is refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/size.h"
#include "formats/safetensors.h"
#include "tests/unit/cases.h"

/* A file of this header, with so many bytes of data after it. */
struct made {
	unsigned char *at;
	size_t head, file;
};

static struct made make(const char *json, size_t length, size_t data)
{
	struct made m = { NULL, 8 + length, 8 + length + data };

	m.at = calloc(1, m.file + 1);
	assert_non_null(m.at);
	le64_put(m.at, length);
	memcpy(m.at + 8, json, length);
	return m;
}

static int parse(const char *json, size_t length, size_t data)
{
	struct made m = make(json, length, data);
	struct safetensors s;
	int err = safetensors_parse(&s, m.at, m.head, m.file);

	if (!err)
		safetensors_release(&s);
	free(m.at);
	return err;
}

#define F32_2 "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define F32(from, to) "{\"dtype\":\"F32\",\"shape\":[2]," \
	"\"data_offsets\":[" #from "," #to "]}"

/* All of these are 8 bytes of data, if anything. */
static const struct {
	const char *what, *json;
} bad[] = {
	{ "nothing", "  " },
	{ "no object", "[]" },
	{ "not closed", "{\"a\":" F32_2 },
	{ "space before the object", " {\"a\":" F32_2 "}" },
	{ "text after the object", "{\"a\":" F32_2 "}x" },
	{ "two objects", "{\"a\":" F32_2 "}{}" },
	{ "comma at the end", "{\"a\":" F32_2 ",}" },
	{ "no colon", "{\"a\" " F32_2 "}" },
	{ "single quotes", "{'a':" F32_2 "}" },
	{ "name without end", "{\"a" },
	{ "name twice", "{\"a\":" F32(0, 8) ",\"a\":" F32(0, 8) "}" },
	{ "name twice, one escaped",
	  "{\"a\":" F32(0, 8) ",\"\\u0061\":" F32(0, 8) "}" },
	{ "empty name", "{\"\":" F32_2 "}" },
	{ "zero byte in a name", "{\"a\\u0000b\":" F32_2 "}" },
	{ "control byte in a name", "{\"a\nb\":" F32_2 "}" },
	{ "bad escape", "{\"a\\x\":" F32_2 "}" },
	{ "short \\u", "{\"a\\u12\":" F32_2 "}" },
	{ "lone high surrogate", "{\"\\ud800\":" F32_2 "}" },
	{ "lone low surrogate", "{\"\\udc00\":" F32_2 "}" },
	{ "high surrogate twice", "{\"\\ud800\\ud800\":" F32_2 "}" },
	{ "UTF-8 cut short", "{\"\xc3\":" F32_2 "}" },
	{ "UTF-8 too long a form", "{\"\xc0\x80\":" F32_2 "}" },
	{ "UTF-8 surrogate", "{\"\xed\xa0\x80\":" F32_2 "}" },
	{ "UTF-8 past the last", "{\"\xf4\x90\x80\x80\":" F32_2 "}" },
	{ "entry is a list", "{\"a\":[]}" },
	{ "entry is empty", "{\"a\":{}}" },
	{ "no dtype", "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}" },
	{ "no shape", "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}" },
	{ "no offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}" },
	{ "dtype twice", "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\","
	  "\"shape\":[2],\"data_offsets\":[0,8]}}" },
	{ "key that is not known", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
	  "\"data_offsets\":[0,8],\"x\":1}}" },
	{ "type that is not known", "{\"a\":{\"dtype\":\"F31\",\"shape\":[2],"
	  "\"data_offsets\":[0,8]}}" },
	{ "type is a number", "{\"a\":{\"dtype\":32,\"shape\":[2],"
	  "\"data_offsets\":[0,8]}}" },
	{ "negative dimension", "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],"
	  "\"data_offsets\":[0,8]}}" },
	{ "dimension with a point", "{\"a\":{\"dtype\":\"F32\","
	  "\"shape\":[2.0],\"data_offsets\":[0,8]}}" },
	{ "dimension with an exponent", "{\"a\":{\"dtype\":\"F32\","
	  "\"shape\":[2e0],\"data_offsets\":[0,8]}}" },
	{ "dimension that begins with 0", "{\"a\":{\"dtype\":\"F32\","
	  "\"shape\":[02],\"data_offsets\":[0,8]}}" },
	{ "dimension past 2^64", "{\"a\":{\"dtype\":\"F32\","
	  "\"shape\":[18446744073709551618],\"data_offsets\":[0,8]}}" },
	{ "product past 2^64", "{\"a\":{\"dtype\":\"F32\",\"shape\":"
	  "[4294967296,4294967296,2],\"data_offsets\":[0,8]}}" },
	{ "bytes past 2^64", "{\"a\":{\"dtype\":\"F32\",\"shape\":"
	  "[4611686018427387906],\"data_offsets\":[0,8]}}" },
	{ "nine dimensions", "{\"a\":{\"dtype\":\"F32\",\"shape\":"
	  "[2,1,1,1,1,1,1,1,1],\"data_offsets\":[0,8]}}" },
	{ "one offset", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
	  "\"data_offsets\":[0]}}" },
	{ "three offsets", "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
	  "\"data_offsets\":[0,8,8]}}" },
	{ "offsets backwards", "{\"a\":" F32(8, 0) "}" },
	{ "too few bytes", "{\"a\":" F32(0, 4) "}" },
	{ "too many bytes", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],"
	  "\"data_offsets\":[0,8]}}" },
	{ "past the end", "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],"
	  "\"data_offsets\":[0,16]}}" },
	{ "far past the end", "{\"a\":" F32(9223372036854775800,
					   9223372036854775808) "}" },
	{ "gap at the beginning", "{\"a\":{\"dtype\":\"U8\",\"shape\":[7],"
	  "\"data_offsets\":[1,8]}}" },
	{ "gap at the end", "{\"a\":{\"dtype\":\"U8\",\"shape\":[7],"
	  "\"data_offsets\":[0,7]}}" },
	{ "gap between", "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],"
	  "\"data_offsets\":[0,3]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],"
	  "\"data_offsets\":[4,8]}}" },
	{ "overlap", "{\"a\":{\"dtype\":\"U8\",\"shape\":[5],"
	  "\"data_offsets\":[0,5]},\"b\":{\"dtype\":\"U8\",\"shape\":[4],"
	  "\"data_offsets\":[4,8]}}" },
	{ "the same bytes twice", "{\"a\":" F32(0, 8) ",\"b\":" F32(0, 8) "}" },
	{ "no tensor for the data", "{}" },
	{ "metadata is a list", "{\"__metadata__\":[],\"a\":" F32_2 "}" },
	{ "metadata with a number",
	  "{\"__metadata__\":{\"a\":1},\"a\":" F32_2 "}" },
	{ "metadata key twice",
	  "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"},\"a\":" F32_2 "}" },
	{ "metadata twice", "{\"__metadata__\":{},\"__metadata__\":{},"
	  "\"a\":" F32_2 "}" },
	{ "metadata with null",
	  "{\"__metadata__\":{\"a\":null},\"a\":" F32_2 "}" },
	{ "negative offset", "{\"a\":" F32(-8, 0) "}" },
	{ "offset that is a text", "{\"a\":" F32("0", 8) "}" },
	{ "comma at the end of a shape", "{\"a\":{\"dtype\":\"F32\","
	  "\"shape\":[2,],\"data_offsets\":[0,8]}}" },
	{ "shape is null", "{\"a\":{\"dtype\":\"F32\",\"shape\":null,"
	  "\"data_offsets\":[0,8]}}" },
	{ "halves of a byte", "{\"a\":{\"dtype\":\"F4\",\"shape\":[17],"
	  "\"data_offsets\":[0,8]}}" },
	{ "deep nesting", "{\"a\":{\"dtype\":\"F32\",\"shape\":[[[[[2]]]]],"
	  "\"data_offsets\":[0,8]}}" },
};

static void malformed_headers_are_refused(void **state)
{
	(void)state;
	assert_true(NELEM(bad) >= 60);
	for (size_t i = 0; i < NELEM(bad); i++) {
		if (parse(bad[i].json, strlen(bad[i].json), 8) != E_DATA)
			fail_msg("accepted: %s", bad[i].what);
		if (!*err_text() || strpbrk(err_text(), "\r\n\x1b"))
			fail_msg("%s: '%s'", bad[i].what, err_text());
	}
}

static int write_all(const char *dir)
{
	for (size_t i = 0; i < NELEM(bad); i++) {
		struct made m = make(bad[i].json, strlen(bad[i].json), 8);

		write_case(dir, i, ".safetensors", m.at, m.file);
		free(m.at);
	}
	return 0;
}

static void wrong_lengths_are_refused(void **state)
{
	static const char json[] = "{\"a\":" F32_2 "}";
	struct made m = make(json, sizeof(json) - 1, 8);
	static const uint64_t length[] = {
		0, 1, 1000, 100000001, 0x7fffffffffffffff, UINT64_MAX,
		UINT64_MAX - 7,
	};
	struct safetensors s;

	(void)state;
	for (size_t i = 0; i < NELEM(length); i++) {
		le64_put(m.at, length[i]);
		assert_int_equal(safetensors_parse(&s, m.at, m.head, m.file),
				 E_DATA);
	}
	le64_put(m.at, sizeof(json) - 1);
	for (size_t n = 0; n < m.head; n++)
		assert_int_equal(safetensors_parse(&s, m.at, n, m.file),
				 E_DATA);
	for (size_t n = m.head; n < m.file; n++)
		assert_int_equal(safetensors_parse(&s, m.at, m.head, n),
				 E_DATA);
	assert_int_equal(safetensors_parse(&s, m.at, m.head, m.file), 0);
	safetensors_release(&s);
	free(m.at);
}

static void a_header_of_any_form_is_read(void **state)
{
	static const char json[] =
		"{ \"__metadata__\" : { \"format\" : \"pt\" } ,\n"
		"\"b\\u00e9\\ud83d\\ude00\" : { \"data_offsets\":[4,8],"
		"\"shape\":[],\"dtype\":\"F32\"},\t\"a\":{\"dtype\":\"BF16\","
		"\"shape\":[1,2],\"data_offsets\":[0,4]},"
		"\"z\":{\"dtype\":\"I64\",\"shape\":[3,0],"
		"\"data_offsets\":[4,4]}}   ";
	struct made m = make(json, sizeof(json) - 1, 8);
	struct safetensors s;

	(void)state;
	assert_int_equal(safetensors_parse(&s, m.at, m.head, m.file), 0);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.entry[0].name, "a");
	assert_int_equal(s.entry[0].dtype, DTYPE_BF16);
	assert_int_equal(s.entry[0].rank, 2);
	assert_int_equal(s.entry[0].shape[1], 2);
	assert_int_equal(s.entry[0].at, m.head);
	assert_string_equal(s.entry[1].name, "z");
	assert_int_equal(s.entry[1].bytes, 0);
	assert_string_equal(s.entry[2].name, "b\u00e9\U0001f600");
	assert_int_equal(s.entry[2].rank, 0);
	assert_int_equal(s.entry[2].at, m.head + 4);
	safetensors_release(&s);
	free(m.at);
}

static void no_flipped_bit_crashes(void **state)
{
	static const char json[] = "{\"__metadata__\":{\"format\":\"pt\"},"
		"\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}"
		",\"b\":{\"dtype\":\"U8\",\"shape\":[4],"
		"\"data_offsets\":[4,8]}}";
	struct made m = make(json, sizeof(json) - 1, 8);

	(void)state;
	for (size_t bit = 0; bit < m.head * 8; bit++) {
		struct safetensors s;

		m.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
		if (!safetensors_parse(&s, m.at, m.head, m.file))
			safetensors_release(&s);
		m.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	free(m.at);
}

static char path[] = "/tmp/safetensors-XXXXXX";

/* A name that is not there. */
static void new_path(void)
{
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	unlink(path);
}

static void what_is_written_is_read(void **state)
{
	static const float x[] = { 1, 2, 3, 4, 5, 6 };
	static const size_t shape[] = { 2, 3 }, none = 0;
	struct safetensors_out o;
	struct safetensors s;
	struct file f;
	float y[6];

	(void)state;
	new_path();
	assert_int_equal(safetensors_create(&o, path), 0);
	assert_int_equal(safetensors_add(&o, "x", DTYPE_F32, 2, shape, x), 0);
	assert_int_equal(safetensors_add(&o, "none", DTYPE_F32, 1, &none, x),
			 0);
	assert_int_equal(safetensors_add(&o, "odd \"\\\x01", DTYPE_U8, 1,
					 &shape[1], x), 0);
	assert_int_equal(safetensors_add(&o, "u4", DTYPE_U4, 1, shape, x),
			 E_DATA);
	assert_int_equal(safetensors_finish(&o), 0);
	assert_int_equal(file_open(&f, "/", path + 1), 0);
	assert_int_equal(safetensors_read(&s, &f), 0);
	assert_int_equal(s.n, 3);
	assert_true(s.entry[0].at < 1000);      /* closed up */
	assert_int_equal(s.entry[0].at % 8, 0);
	assert_string_equal(s.entry[0].name, "x");
	assert_int_equal(file_read(&f, y, sizeof(y), s.entry[0].at), 0);
	assert_memory_equal(x, y, sizeof(x));
	assert_string_equal(s.entry[2].name, "odd \"\\\x01");
	safetensors_release(&s);
	file_close(&f);
	unlink(path);
}

static void a_full_header_says_so(void **state)
{
	struct safetensors_out o;
	struct safetensors s;
	size_t one = 1, n = 0;
	char name[600];
	struct file f;

	(void)state;
	new_path();
	assert_int_equal(safetensors_create(&o, path), 0);
	for (;; n++) {
		snprintf(name, sizeof(name), "%0599zu", n);
		if (!safetensors_fits(&o, name))
			break;
		assert_int_equal(safetensors_add(&o, name, DTYPE_U8, 1, &one,
						 &n), 0);
	}
	assert_true(n > 100);
	assert_int_equal(safetensors_finish(&o), 0);
	assert_int_equal(file_open(&f, "/", path + 1), 0);
	assert_int_equal(safetensors_read(&s, &f), 0);
	assert_int_equal(s.n, n);
	safetensors_release(&s);
	file_close(&f);
	unlink(path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_headers_are_refused),
		cmocka_unit_test(wrong_lengths_are_refused),
		cmocka_unit_test(a_header_of_any_form_is_read),
		cmocka_unit_test(no_flipped_bit_crashes),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(a_full_header_says_so),
	};

	if (argc > 1)
		return write_all(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
