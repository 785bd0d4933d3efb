/* GGUF: blocks decode to llama.cpp's numbers, broken files are refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/half.h"
#include "base/size.h"
#include "formats/gguf.h"
#include "tests/unit/cases.h"
#include "tests/unit/gguf_made.h"

static int parse(const struct made *m)
{
	unsigned char *exact = malloc(m->n ? m->n : 1);
	struct gguf g;
	int err;

	assert_non_null(exact);
	memcpy(exact, m->at, m->n);     /* so that a sanitizer sees the end */
	err = gguf_parse(&g, exact, m->n, m->n);
	if (!err)
		gguf_release(&g);
	free(exact);
	return err;
}

/* Two keys of every kind that matters, two tensors: a good file. */
static void good(struct made *m)
{
	head(m, 2, 4);
	text(m, "general.alignment");
	u32(m, GGUF_U32);
	u32(m, 32);
	text(m, "a.text");
	u32(m, GGUF_TEXT);
	text(m, "hello");
	text(m, "a.list");
	u32(m, GGUF_ARRAY);
	u32(m, GGUF_TEXT);
	u64(m, 2);
	text(m, "x");
	text(m, "yz");
	text(m, "a.truth");
	u32(m, GGUF_BOOL);
	put(m, "\1", 1);
	tensor(m, "one", 2, 4, 0, 0);
	tensor(m, "two", 1, 32, 8, 32);
	data(m, 32 + 34);
}

/* ---- one fault each ---- */

#define FAULT(name, body)                    \
	static void name(struct made *m)     \
	{                                    \
		body                         \
	}

#define KEYED(name, body)                    \
	FAULT(name, head(m, 1, 1); body      \
	      tensor(m, "one", 1, 8, 0, 0); data(m, 32);)

#define TENSORS(name, n, body)               \
	FAULT(name, head(m, n, 0); body data(m, 128);)

FAULT(empty, m->n = 0;)
FAULT(only_magic, m->n = 0; put(m, "GGUF", 4);)
FAULT(wrong_magic, good(m); m->at[0] = 'g';)
FAULT(version_0, good(m); le32_put(m->at + 4, 0);)
FAULT(version_1, good(m); le32_put(m->at + 4, 1);)
FAULT(version_4, good(m); le32_put(m->at + 4, 4);)
FAULT(big_endian, good(m); le32_put(m->at + 4, 0x03000000);)
FAULT(many_tensors, good(m); le64_put(m->at + 8, 1ull << 40);)
FAULT(all_tensors, good(m); le64_put(m->at + 8, UINT64_MAX);)
FAULT(many_keys, good(m); le64_put(m->at + 16, 1ull << 40);)
FAULT(all_keys, good(m); le64_put(m->at + 16, UINT64_MAX);)
FAULT(one_key_more, good(m); le64_put(m->at + 16, 5);)
FAULT(one_key_less, good(m); le64_put(m->at + 16, 3);)
FAULT(one_tensor_more, good(m); le64_put(m->at + 8, 3);)
KEYED(key_empty, text(m, ""); u32(m, GGUF_U32); u32(m, 1);)
KEYED(key_zero, u64(m, 3); put(m, "a\0b", 3); u32(m, GGUF_U32); u32(m, 1);)
KEYED(key_long, u64(m, 65537); u32(m, GGUF_U32); u32(m, 1);)
KEYED(key_endless, u64(m, UINT64_MAX); u32(m, GGUF_U32); u32(m, 1);)
KEYED(type_13, text(m, "k"); u32(m, 13); u32(m, 1);)
KEYED(type_large, text(m, "k"); u32(m, UINT32_MAX); u32(m, 1);)
KEYED(bool_2, text(m, "k"); u32(m, GGUF_BOOL); put(m, "\2", 1);)
KEYED(text_long, text(m, "k"); u32(m, GGUF_TEXT); u64(m, 1 << 20 | 1);)
KEYED(text_endless, text(m, "k"); u32(m, GGUF_TEXT); u64(m, UINT64_MAX);)
KEYED(array_type, text(m, "k"); u32(m, GGUF_ARRAY); u32(m, 77); u64(m, 1);)
KEYED(array_nested, text(m, "k"); u32(m, GGUF_ARRAY); u32(m, GGUF_ARRAY);
      u64(m, 1); u32(m, GGUF_U8); u64(m, 0);)
KEYED(array_long, text(m, "k"); u32(m, GGUF_ARRAY); u32(m, GGUF_U64);
      u64(m, 1000);)
KEYED(array_wraps, text(m, "k"); u32(m, GGUF_ARRAY); u32(m, GGUF_U64);
      u64(m, 1ull << 61);)
KEYED(array_texts, text(m, "k"); u32(m, GGUF_ARRAY); u32(m, GGUF_TEXT);
      u64(m, 1ull << 60);)
KEYED(array_cut, text(m, "k"); u32(m, GGUF_ARRAY); u32(m, GGUF_TEXT);
      u64(m, 2); text(m, "x"); u64(m, 1 << 19);)
FAULT(key_twice, head(m, 1, 2); text(m, "k"); u32(m, GGUF_U8);
      put(m, "\1", 1); text(m, "k"); u32(m, GGUF_U8); put(m, "\2", 1);
      tensor(m, "one", 1, 8, 0, 0); data(m, 32);)
KEYED(align_0, text(m, "general.alignment"); u32(m, GGUF_U32); u32(m, 0);)
KEYED(align_48, text(m, "general.alignment"); u32(m, GGUF_U32); u32(m, 48);)
KEYED(align_huge, text(m, "general.alignment"); u32(m, GGUF_U32);
      u32(m, 1u << 31);)
KEYED(align_text, text(m, "general.alignment"); u32(m, GGUF_TEXT);
      text(m, "32");)
TENSORS(name_empty, 1, tensor(m, "", 1, 8, 0, 0);)
TENSORS(name_endless, 1, u64(m, 1ull << 63);)
TENSORS(rank_0, 1, text(m, "t"); u32(m, 0); u32(m, 0); u64(m, 0);)
TENSORS(rank_5, 1, text(m, "t"); u32(m, 5); u64(m, 1); u64(m, 1); u64(m, 1);
	u64(m, 1); u64(m, 8); u32(m, 0); u64(m, 0);)
TENSORS(rank_large, 1, text(m, "t"); u32(m, UINT32_MAX); u64(m, 8);
	u32(m, 0); u64(m, 0);)
TENSORS(dim_0, 1, tensor(m, "t", 0, 8, 0, 0);)
TENSORS(dim_wraps, 1, tensor(m, "t", 1ull << 33, 1ull << 33, 0, 0);)
TENSORS(bytes_wrap, 1, tensor(m, "t", 1, 1ull << 63, 0, 0);)
TENSORS(type_removed, 1, tensor(m, "t", 1, 8, 4, 0);)
TENSORS(type_999, 1, tensor(m, "t", 1, 8, 999, 0);)
TENSORS(type_q4_k, 1, tensor(m, "t", 1, 256, 12, 0);)
TENSORS(half_a_block, 1, tensor(m, "t", 2, 16, 2, 0);)
TENSORS(not_aligned, 1, tensor(m, "t", 1, 8, 0, 4);)
TENSORS(past_end, 1, tensor(m, "t", 1, 8, 0, 1 << 20);)
TENSORS(past_all, 1, tensor(m, "t", 1, 8, 0, UINT64_MAX - 31);)
TENSORS(too_long, 1, tensor(m, "t", 1, 64, 0, 0);)
TENSORS(overlap, 2, tensor(m, "a", 1, 16, 0, 0); tensor(m, "b", 1, 8, 0, 32);)
TENSORS(same_place, 2, tensor(m, "a", 1, 8, 0, 0);
	tensor(m, "b", 1, 8, 0, 0);)
TENSORS(same_name, 2, tensor(m, "a", 1, 8, 0, 0); tensor(m, "a", 1, 8, 0, 32);)
FAULT(no_data, head(m, 1, 0); tensor(m, "t", 1, 8, 0, 0);)

FAULT(key_cut, head(m, 0, 1); u64(m, 30); put(m, "k", 1);)
FAULT(type_cut, head(m, 0, 1); text(m, "k"); put(m, "\4", 1);)
FAULT(value_cut, head(m, 0, 1); text(m, "k"); u32(m, GGUF_U64); u32(m, 1);)
KEYED(bools_2, text(m, "k"); u32(m, GGUF_ARRAY); u32(m, GGUF_BOOL);
      u64(m, 3); put(m, "\1\2\0", 3);)
KEYED(align_below_0, text(m, "general.alignment"); u32(m, GGUF_I32);
      u32(m, -32u);)
KEYED(align_list, text(m, "general.alignment"); u32(m, GGUF_ARRAY);
      u32(m, GGUF_U32); u64(m, 1); u32(m, 32);)
TENSORS(name_zero, 1, u64(m, 3); put(m, "a\0b", 3); u32(m, 1); u64(m, 8);
	u32(m, 0); u64(m, 0);)
FAULT(name_cut, head(m, 1, 0); u64(m, 9); put(m, "t", 1);)
FAULT(dims_cut, head(m, 1, 0); text(m, "t"); u32(m, 4); u64(m, 8);)
FAULT(table_cut, head(m, 2, 0); tensor(m, "t", 1, 8, 0, 0);)
TENSORS(blocks_past_end, 1, tensor(m, "t", 4, 32, 8, 0);)

#define F(name) { #name, name }

static const struct {
	const char *what;
	void (*make)(struct made *m);
} bad[] = {
	/* clang-format off */
	F(empty), F(only_magic), F(wrong_magic), F(version_0), F(version_1),
	F(version_4), F(big_endian), F(many_tensors), F(all_tensors),
	F(many_keys), F(all_keys), F(one_key_more), F(one_key_less),
	F(one_tensor_more), F(key_empty), F(key_zero),
	F(key_long), F(key_endless), F(type_13), F(type_large), F(bool_2),
	F(text_long), F(text_endless), F(array_type), F(array_nested),
	F(array_long), F(array_wraps), F(array_texts), F(array_cut),
	F(key_twice), F(align_0), F(align_48), F(align_huge), F(align_text),
	F(name_empty), F(name_endless), F(rank_0), F(rank_5), F(rank_large),
	F(dim_0), F(dim_wraps), F(bytes_wrap), F(type_removed), F(type_999),
	F(type_q4_k), F(half_a_block), F(not_aligned), F(past_end),
	F(past_all), F(too_long), F(overlap), F(same_place), F(same_name),
	F(no_data), F(key_cut), F(type_cut), F(value_cut), F(bools_2),
	F(align_below_0), F(align_list), F(name_zero), F(name_cut),
	F(dims_cut), F(table_cut), F(blocks_past_end),
	/* clang-format on */
};

static void malformed_files_are_refused(void **state)
{
	static struct made m;

	(void)state;
	assert_true(NELEM(bad) >= 60);
	for (size_t i = 0; i < NELEM(bad); i++) {
		m.n = 0;
		bad[i].make(&m);
		if (parse(&m) != E_DATA)
			fail_msg("accepted: %s", bad[i].what);
		if (!*err_text() || strpbrk(err_text(), "\n\r\x1b"))
			fail_msg("%s: '%s'", bad[i].what, err_text());
	}
}

static int write_all(const char *dir)
{
	static struct made m;

	for (size_t i = 0; i < NELEM(bad); i++) {
		m.n = 0;
		bad[i].make(&m);
		write_case(dir, i, ".gguf", m.at, m.n);
	}
	return 0;
}

static void a_good_file_is_read(void **state)
{
	const struct gguf_value *v;
	const unsigned char *at;
	static struct made m;
	struct gguf g;
	const char *s;
	double x;
	size_t n;

	(void)state;
	good(&m);
	assert_int_equal(gguf_parse(&g, m.at, m.n, m.n), 0);
	assert_int_equal(g.nkey, 4);
	v = gguf_find(&g, "a.truth");
	assert_non_null(v);
	assert_int_equal(gguf_number(v, &x), 0);
	assert_true(x == 1);
	assert_null(gguf_find(&g, "a.tru"));
	assert_null(gguf_find(&g, "a.truths"));
	v = gguf_find(&g, "a.list");
	assert_int_equal(v->count, 2);
	at = v->at;
	gguf_next_text(&at, &s, &n);
	gguf_next_text(&at, &s, &n);
	assert_int_equal(n, 2);
	assert_memory_equal(s, "yz", 2);
	assert_int_equal(g.ntensor, 2);
	assert_int_equal(g.tensor[1].bytes, 34);
	assert_int_equal(g.tensor[1].at % 32, 0);
	assert_int_equal(g.tensor[1].at + 34, m.n);
	assert_ptr_equal(gguf_find_tensor(&g, "two"), &g.tensor[1]);
	gguf_release(&g);
}

/* Cut anywhere: with the true size it is an error, with a larger size more is
 * asked for. */
static void a_cut_file_is_no_file(void **state)
{
	static struct made m, cut;

	(void)state;
	good(&m);
	for (size_t n = 0; n < m.n; n++) {
		struct gguf g;
		int err;

		cut = m;
		cut.n = n;
		assert_int_equal(parse(&cut), E_DATA);
		err = gguf_parse(&g, m.at, n, m.n);
		assert_true(err == E_AGAIN || (!err && n + 98 >= m.n));
		if (!err)
			gguf_release(&g);
	}
}

static void no_flipped_bit_crashes(void **state)
{
	static struct made m;

	(void)state;
	good(&m);
	for (size_t bit = 0; bit < m.n * 8; bit++) {
		m.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
		(void)!parse(&m);
		m.at[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
}

static void decode(const char *name, const unsigned char *src, float *dst)
{
	for (size_t i = 0; gguf_block_at(i); i++)
		if (!strcmp(gguf_block_at(i)->name, name)) {
			gguf_block_at(i)->decode(dst, src, 0, 1);
			return;
		}
	fail();
}

static void blocks_decode_as_llama_cpp_has_them(void **state)
{
	unsigned char q[34];
	float x[32];

	(void)state;
	le16_put(q, f16_from_f32(0.5f));
	for (int i = 0; i < 16; i++)
		q[2 + i] = (unsigned char)(i | (15 - i) << 4);
	decode("Q4_0", q, x);
	assert_true(x[0] == -4 && x[15] == 3.5f && x[16] == 3.5f &&
		    x[31] == -4);
	le16_put(q + 2, f16_from_f32(-1.5f));
	for (int i = 0; i < 16; i++)
		q[4 + i] = (unsigned char)(i | (15 - i) << 4);
	decode("Q4_1", q, x);
	assert_true(x[0] == -1.5f && x[3] == 0 && x[16] == 6 && x[31] == -1.5f);
	for (int i = 0; i < 32; i++)
		q[2 + i] = (unsigned char)(i - 16);
	decode("Q8_0", q, x);
	assert_true(x[0] == -8 && x[16] == 0 && x[31] == 7.5f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_files_are_refused),
		cmocka_unit_test(a_good_file_is_read),
		cmocka_unit_test(a_cut_file_is_no_file),
		cmocka_unit_test(no_flipped_bit_crashes),
		cmocka_unit_test(blocks_decode_as_llama_cpp_has_them),
	};

	if (argc > 1)
		return write_all(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
