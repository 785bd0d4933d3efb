/* Headers: one form for a value, and nothing that a count only claims. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/msg.h"

/* In a block of just that size, so that ASan sees a byte too far. */
static int parse(const void *at, size_t n)
{
	void *copy = malloc(n);
	struct msg *m;
	int err;

	if (n)
		memcpy(copy, at, n);
	err = msg_parse(&m, copy, n);
	if (!err)
		msg_free(m);
	free(copy);
	return err;
}

struct bytes {
	const char *at;
	size_t n;
};

#define B(text) { text, sizeof(text) - 1 }

/* Each is the value of the one key "a". */
static const struct bytes good[] = {
	/* clang-format off */
	B("\xc0"), B("\xc2"), B("\xc3"), B("\x00"), B("\x7f"), B("\xe0"),
	B("\xff"), B("\xcc\x80"), B("\xcc\xff"), B("\xcd\x01\x00"),
	B("\xce\x00\x01\x00\x00"), B("\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
	B("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), B("\xd0\xdf"),
	B("\xd0\x80"), B("\xd1\xff\x7f"), B("\xd2\xff\xff\x7f\xff"),
	B("\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
	B("\xcb\x3f\xf0\0\0\0\0\0\0"), B("\xa0"), B("\xa2\xc3\xa9"),
	B("\xa4\xf0\x9f\x98\x80"), B("\xc4\x00"), B("\xc4\x01\x00"),
	B("\x90"), B("\x80"), B("\x91\x91\x90"),
	B("\x82\xa1" "a\x01\xa1" "b\x02"),
	B("\x82\xa1" "a\x01\xa2" "aa\x02"), B("\x82\xa0\x01\xa1" "b\x02"),
	B("\xa3\xed\x9f\xbf"), B("\xa3\xee\x80\x80"), B("\xa4\xf4\x8f\xbf\xbf"),
	/* clang-format on */
};

static const struct bytes bad[] = {
	/* clang-format off */
	B(""), B("\xc1"),
	/* not the shortest */
	B("\xcc\x7f"), B("\xcd\x00\xff"), B("\xce\x00\x00\xff\xff"),
	B("\xcf\x00\x00\x00\x00\xff\xff\xff\xff"), B("\xd0\xe0"),
	B("\xd0\x00"), B("\xd1\xff\x80"), B("\xd1\x00\x05"),
	B("\xd2\xff\xff\x80\x00"), B("\xd3\xff\xff\xff\xff\x80\x00\x00\x00"),
	B("\xd9\x01" "a"), B("\xda\x00\x01" "a"), B("\xdb\0\0\0\x01" "a"),
	B("\xc5\x00\x01\x00"), B("\xc6\x00\x00\x00\x00"), B("\xdc\x00\x00"),
	B("\xde\x00\x00"),
	/* more claimed than there is */
	B("\xdd\xff\x00\x00\x00"), B("\xdd\x00\x00\x00\x00"),
	B("\xdf\xff\x00\x00\x00"), B("\xdc\xff\xff"), B("\xde\xff\xff"),
	B("\x9f"), B("\x8f"), B("\xbf"), B("\xc6\xff\xff\xff\xff"),
	B("\xdb\xff\xff\xff\xff"), B("\xda\xff\xff" "a"), B("\xcd\x01"),
	B("\xcb\x00"), B("\x81\xa1" "a"), B("\xcf\x01"),
	/* types that are not used */
	B("\xca\x00\x00\x00\x00"), B("\xd4\x01\x00"), B("\xd8\x01"),
	B("\xc7\x00\x01"), B("\xc8\x00\x00\x01"), B("\xc9\x00\x00\x00\x00\x01"),
	/* text */
	B("\xa1\x00"), B("\xa1\xff"), B("\xa1\x80"), B("\xa1\xc3"),
	B("\xa2\xc0\x80"), B("\xa2\xc1\xbf"), B("\xa3\xe0\x80\x80"),
	B("\xa3\xed\xa0\x80"), B("\xa4\xf4\x90\x80\x80"),
	B("\xa4\xf0\x80\x80\x80"), B("\xa1\xf8"), B("\xa2\xc3" "a"),
	/* keys */
	B("\x81\x01\x01"), B("\x81\xc0\x01"), B("\x81\x90\x01"),
	B("\x82\xa1" "a\x01\xa1" "a\x02"), B("\x82\xa1" "b\x01\xa1" "a\x02"),
	B("\x82\xa2" "aa\x01\xa1" "a\x02"), B("\x82\xa1" "b\x01\xa0\x02"),
	/* more than one value */
	B("\x01\x02"), B("\xc0\xc0"),
	/* clang-format on */
};

static int parse_value(const struct bytes *v)
{
	char text[64] = "\x81\xa1" "a";

	memcpy(text + 3, v->at, v->n);
	return parse(text, 3 + v->n);
}

static void the_profile_is_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (parse_value(&good[i]))
			fail_msg("good %zu: %s", i, err_text());
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (parse_value(&bad[i]) != E_DATA)
			fail_msg("bad %zu was accepted", i);
}

static void a_header_is_a_map(void **state)
{
	static const struct bytes no[] = { B(""), B("\xc0"), B("\x90"),
					   B("\x01"), B("\xa0"),
					   B("\xdf\0\0\0\0") };

	(void)state;
	assert_int_equal(parse("\x80", 1), 0);
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		assert_int_equal(parse(no[i].at, no[i].n), E_DATA);
}

static void depth_has_a_limit(void **state)
{
	char text[64] = "\x81\xa1" "a";

	(void)state;
	for (size_t n = 1; n < 40; n++) {
		memset(text + 3, 0x91, n);
		text[3 + n] = (char)0xc0;
		assert_int_equal(parse(text, n + 4),
				 n < MSG_DEPTH ? 0 : E_DATA);
	}
}

/* Keys come sorted, whatever order they were set in; and back again. */
static void json_survives(void **state)
{
	json_t *j = json_pack("{s{sIsI sf sb sn}s[ss]s[]s{}}", "z", "max",
			      (json_int_t)INT64_MAX, "min",
			      (json_int_t)INT64_MIN, "pi", 3.14159, "yes", 1,
			      "none", "a", "\xc3\xa9", "", "empty", "hollow");
	struct msg_out o = { 0 };
	struct msg *m;
	json_t *back;
	char *text;

	(void)state;
	msg_put_json(&o, j);
	assert_int_equal(msg_done(&o), 0);
	assert_int_equal(msg_parse(&m, o.at, o.n), 0);
	assert_int_equal(msg_to_json(&back, msg_root(m)), 0);
	assert_true(json_equal(j, back));
	assert_int_equal(json_print(&text, back, 0), 0);
	assert_memory_equal(text, "{\"a\":", 5);
	free(text);
	json_decref(back);
	json_decref(j);
	msg_free(m);
	msg_release(&o);
}

static void what_cannot_be_read_is_not_written(void **state)
{
	struct msg_out o = { 0 };
	json_t *deep = json_array(), *wide = json_array();

	(void)state;
	for (int i = 0; i < MSG_DEPTH; i++)
		deep = json_pack("[o]", deep);
	deep = json_pack("{so}", "a", deep);
	msg_put_json(&o, deep);
	assert_int_equal(msg_done(&o), E_DATA);
	for (int i = 0; i < 65536; i++)
		json_array_append_new(wide, json_null());
	wide = json_pack("{so}", "a", wide);
	msg_begin(&o);
	msg_put_json(&o, wide);
	assert_int_equal(msg_done(&o), E_DATA);
	json_decref(deep);
	json_decref(wide);
	msg_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_profile_is_kept),
		cmocka_unit_test(a_header_is_a_map),
		cmocka_unit_test(depth_has_a_limit),
		cmocka_unit_test(json_survives),
		cmocka_unit_test(what_cannot_be_read_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
