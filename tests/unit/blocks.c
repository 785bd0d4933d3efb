/* llama.cpp's blocks: the values of the gguf package, at every level; packed
 * codes of every width. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "weight/gguf_blocks.h"

#include "levels.h"

enum { BLOCKS = 64 };

static uint32_t state;

static unsigned char next(void)
{
	state = state * 1664525u + 1013904223u;
	return (unsigned char)(state >> 24);
}

/* Where a block has its halves, and FNV-1a of what gguf.dequantize() gives for
 * 64 blocks of next()'s bytes from 7 on, the halves made finite. */
static const struct expected {
	const char *name;
	int half[2];
	uint64_t hash;
} expected[] = {
	/* clang-format off */
	{ "Q4_0", { 0, -1 }, 0x51ff2337ab808cc0ull },
	{ "Q4_1", { 0, 2 }, 0x8c765a997b28a344ull },
	{ "Q5_0", { 0, -1 }, 0xc743018d3a50baa6ull },
	{ "Q5_1", { 0, 2 }, 0x0fa1fdb76689e324ull },
	{ "Q8_0", { 0, -1 }, 0x2900057b8a7e73e3ull },
	{ "Q2_K", { 80, 82 }, 0x758ff0d9ed68aff9ull },
	{ "Q3_K", { 108, -1 }, 0xf5fd3bf5ecfd8bc8ull },
	{ "Q4_K", { 0, 2 }, 0x8b10dc6c961a599aull },
	{ "Q5_K", { 0, 2 }, 0xf2e8474334ab5a91ull },
	{ "Q6_K", { 208, -1 }, 0xc7b72279a1494a75ull },
	{ "IQ4_NL", { 0, -1 }, 0x3ddb380b3c86707full },
	/* clang-format on */
};

static unsigned char *blocks_of(const struct expected *e,
				const struct gguf_block *b)
{
	unsigned char *src = malloc(BLOCKS * b->bytes);

	state = 7;
	for (size_t i = 0; i < BLOCKS * b->bytes; i++)
		src[i] = next();
	for (size_t i = 0; i < BLOCKS; i++)
		for (int h = 0; h < 2; h++)
			if (e->half[h] >= 0)
				src[i * b->bytes + (size_t)e->half[h] + 1] &=
					0xbf;
	return src;
}

static uint64_t hash(const float *x, size_t n)
{
	const unsigned char *at = (const unsigned char *)x;
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n * sizeof(*x); i++)
		h = (h ^ at[i]) * 0x100000001b3;
	return h;
}

static void test_blocks_are_what_the_gguf_package_has(void **arg)
{
	(void)arg;
	for (size_t i = 0; i < NELEM(expected); i++) {
		const struct gguf_block *b = gguf_block_named(expected[i].name);
		size_t n = BLOCKS * b->count;
		unsigned char *src = blocks_of(&expected[i], b);
		float *x = malloc(n * sizeof(*x)), part[2 * GGUF_UNIT];

		b->decode(x, src, 0, n / GGUF_UNIT);
		if (hash(x, n) != expected[i].hash)
			fail_msg("%s: 0x%016llx", b->name,
				 (unsigned long long)hash(x, n));
		for (size_t u = 1; u + 2 <= n / GGUF_UNIT; u++) {
			b->decode(part, src, u, 2);
			assert_memory_equal(part, x + u * GGUF_UNIT,
					    sizeof(part));
		}
		free(x);
		free(src);
	}
}

static void test_every_format_is_tested(void **arg)
{
	const struct gguf_block *b;
	size_t n = 0;

	(void)arg;
	for (size_t i = 0; (b = gguf_block_at(i)); i++)
		n += b->decode != NULL;
	assert_int_equal(n, NELEM(expected));
	assert_null(gguf_block_named("F32"));
	assert_null(gguf_block_named("Q8_K"));
	assert_ptr_equal(gguf_block_named("q4_k"), gguf_block_find(12));
}

static void test_packed_codes_are_the_same_at_every_level(void **arg)
{
	unsigned char code[200];
	float book[256], got[200], want[200];

	(void)arg;
	for (size_t i = 0; i < sizeof(code); i++)
		code[i] = next();
	for (size_t i = 0; i < NELEM(book); i++)
		book[i] = (float)next() - 100;
	for (int bits = 1; bits <= 8; bits++)
		for (size_t at = 0; at < 40; at++) {
			struct packed_codes p = { code, bits, (float)0.3,
						  (float)1.7, book };
			size_t n = at * 7 % 61;

			decode_int_c(want, &p, at, n);
			kernels()->decode_int(got, &p, at, n);
			assert_memory_equal(got, want, n * sizeof(*got));
			decode_book_c(want, &p, at, n);
			kernels()->decode_book(got, &p, at, n);
			assert_memory_equal(got, want, n * sizeof(*got));
		}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocks_are_what_the_gguf_package_has),
		cmocka_unit_test(test_every_format_is_tested),
		cmocka_unit_test(test_packed_codes_are_the_same_at_every_level),
	};

	(void)argc;
	return each_level(cmocka_run_group_tests(tests, NULL, NULL), argv);
}
