/* Records whose hashes are right and whose headers lie: all are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/st_writer.h"
#include "tests/unit/st_streams.h"

static char path[] = "/tmp/st_lies.XXXXXX";

struct lie {
	const char *type, *header;
	size_t payload;         /* zeros */
	int accepted;
};

static void put_json(struct st_writer *w, const struct lie *lie)
{
	static const char zero[1 << 16];
	struct st_record r = { .payload = lie->payload };
	struct msg_out o = { 0 };
	json_t *j = json_loads(lie->header, 0, NULL);

	memcpy(r.type, lie->type, 5);
	assert_non_null(j);
	msg_put_json(&o, j);
	r.header = o.n;
	if (r.payload)
		r.payload_hash = digest_64(zero, r.payload);
	assert_int_equal(st_writer_put(w, &r, o.at, zero), 0);
	msg_release(&o);
	json_decref(j);
}

static int parse_lies(const struct lie *lie, size_t n)
{
	const struct lie head = { "HEAD", "{\"kind\":\"base\",\"st\":1}", 0,
				  0 };
	struct st_writer w;

	assert_int_equal(st_writer_open(&w, path), 0);
	if (strcmp(lie->type, "HEAD"))
		put_json(&w, &head);
	for (size_t i = 0; i < n; i++)
		put_json(&w, &lie[i]);
	assert_int_equal(st_writer_end(&w, NULL), 0);
	assert_int_equal(st_writer_close(&w), 0);
	st_writer_release(&w);
	assert_int_equal(parse_how(path, 0), parse(path));
	return parse(path);
}

#define TENS(shape, more)                                             \
	"{\"dtype\":\"f32\",\"name\":\"t\",\"shape\":" shape more "}"
#define ENC(enc, parts)                                               \
	"{\"dtype\":\"bf16\",\"enc\":" enc ",\"name\":\"t\",\"parts\":" \
	parts ",\"shape\":[64]}"
#define DEEP "{\"block\":2,\"q\":\"nf4\",\"scale\":"

static const struct lie lies[] = {
	/* clang-format off */
	{ "TENS", TENS("[0]", ""), 0, 1 },
	{ "TENS", TENS("[2,0,3]", ""), 0, 1 },
	{ "HEAD", "{\"kind\":\"base\",\"st\":1,\"zz\":[1]}", 0, 1 },
	{ "META", "{\"k\":\"a\",\"v\":{}}", 0, 1 },
	{ "wxyz", "{\"a\":1}", 100, 1 },
	{ "wxyz", "{}", 0, 1 },
	{ "HEAD", "{\"kind\":\"base\",\"st\":2}" },
	{ "HEAD", "{\"kind\":\"base\"}" },
	{ "HEAD", "{\"st\":1}" },
	{ "HEAD", "{\"kind\":1,\"st\":1}" },
	{ "HEAD", "{\"kind\":\"base\",\"req\":[\"magic\"],\"st\":1}" },
	{ "HEAD", "{\"kind\":\"base\",\"req\":[7],\"st\":1}" },
	{ "HEAD", "{\"kind\":\"base\",\"st\":1}", 8 },
	{ "ABRT", "{\"code\":65,\"msg\":\"no\",\"tool\":\"x\"}" },
	{ "ABRT", "{}" },
	{ "WXYZ", "{}" },
	{ "META", "{\"k\":\"a\"}" },
	{ "META", "{\"v\":1}" },
	{ "META", "{\"k\":\"a\",\"v\":1}", 8 },
	{ "TENS", "{}" },
	{ "TENS", TENS("[1]", "") },                    /* no chunks */
	{ "TENS", TENS("[0]", ""), 8 },
	{ "TENS", TENS("7", "") },
	{ "TENS", TENS("[-1]", "") },
	{ "TENS", TENS("[1.5]", "") },
	{ "TENS", TENS("[0,0,0,0,0,0,0,0,0]", "") },
	{ "TENS", TENS("[281474976710657]", "") },
	{ "TENS", TENS("[9223372036854775807]", "") },
	{ "TENS", TENS("[4294967296,4294967296]", "") },
	{ "TENS", TENS("[4294967296,4294967296,0]", "") },
	{ "TENS", TENS("[1048576,1048576,2048]", "") },
	{ "TENS", TENS("[0]", ",\"role\":7") },
	{ "TENS", "{\"dtype\":\"f33\",\"name\":\"t\",\"shape\":[0]}" },
	{ "TENS", "{\"dtype\":\"f32\",\"name\":\"\",\"shape\":[0]}" },
	{ "TENS", "{\"dtype\":\"f32\",\"name\":5,\"shape\":[0]}" },
	{ "TENS", "{\"dtype\":\"f32\",\"name\":\"t\",\"parts\":"
		  "[[\"codes\",\"f32\",1]],\"shape\":[0]}" },
	{ "TENS", ENC("{}", "[]") },
	{ "TENS", ENC("{\"q\":\"nf5\"}", "[]") },
	{ "TENS", ENC("{\"q\":\"raw\"}", "[]") },
	{ "TENS", ENC("{\"q\":\"const\"}", "[]") },
	{ "TENS", ENC("{\"q\":\"const\",\"v\":1}", "[]") },
	{ "TENS", ENC("{\"q\":\"const\",\"v\":0.5}", "[]"), 0, 1 },
	{ "TENS", ENC("{\"q\":\"const\",\"v\":0.5}", "[[\"x\",\"u8\",1]]") },
	{ "TENS", ENC("{\"block\":0,\"q\":\"nf4\",\"scale\":"
		      "{\"q\":\"const\",\"v\":1.0}}",
		      "[[\"codes\",\"u4\",64]]") },
	{ "TENS", ENC("{\"block\":64,\"q\":\"nf4\"}",
		      "[[\"codes\",\"u4\",64]]") },
	{ "TENS", ENC("{\"bits\":5,\"block\":64,\"q\":\"int\",\"scale\":"
		      "{\"q\":\"const\",\"v\":1.0}}",
		      "[[\"codes\",\"u4\",64]]") },
	{ "TENS", ENC("{\"bits\":2,\"block\":64,\"book\":[0.0,1.0,2.0],"
		      "\"q\":\"book\",\"scale\":{\"q\":\"const\",\"v\":1.0}}",
		      "[[\"codes\",\"u2\",64]]") },
	{ "TENS", ENC("{\"bits\":2,\"block\":64,\"book\":[0.0,1.0,2.0,1e39],"
		      "\"q\":\"book\",\"scale\":{\"q\":\"const\",\"v\":1.0}}",
		      "[[\"codes\",\"u2\",64]]") },
	{ "TENS", ENC("{\"format\":\"q9_9\",\"q\":\"gguf\"}",
		      "[[\"codes\",\"u8\",40]]") },
	{ "TENS", ENC("{\"format\":\"q4_k\",\"q\":\"gguf\"}",
		      "[[\"codes\",\"u8\",36]]") },
	{ "TENS", ENC(DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP DEEP
		      "{\"q\":\"const\",\"v\":1.0}" "}}}}}}}}}}}",
		      "[]") },
	{ "CHNK", "{\"n\":4,\"o\":0,\"p\":0,\"x\":0}", 4 },
	{ "BTCH", "{}" },
	{ "BTCH", "{\"cols\":[[\"len\",\"u32\",1],[\"ids\",\"u32\",1],"
		  "[\"labels\",\"i32\",2]],\"n\":1,\"x\":0}", 16 },
	{ "BTCH", "{\"cols\":[[\"len\",\"u32\",4611686018427387904],"
		  "[\"ids\",\"u32\",0],[\"labels\",\"i32\",0]],"
		  "\"n\":4611686018427387904,\"x\":0}", 16 },
	{ "BTCH", "{\"cols\":[[\"len\",\"u64\",0],[\"ids\",\"u32\",0],"
		  "[\"labels\",\"i32\",0]],\"n\":0,\"x\":0}" },
	{ "ENDS", "{}" },
	{ "HEAD", "[1]" },
	{ "META", "[1]" },
	/* clang-format on */
};

static void headers_that_lie_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		int err = parse_lies(&lies[i], 1);

		if (err != (lies[i].accepted ? 0 : E_DATA))
			fail_msg("%s %s: %d %s", lies[i].type, lies[i].header,
				 err, err ? err_text() : "");
	}
}

/* Sixteen bytes of zeros in one part; what chunks may say of them. */
static void chunks_that_lie_are_refused(void **state)
{
	static const char zero[8192];
	static const struct {
		size_t n, at, part, payload;
		int good_hash;
	} c[] = {
		{ 16, 0, 0, 16, 1 }, { 16, 0, 0, 16, 0 }, { 15, 0, 0, 15, 1 },
		{ 17, 0, 0, 17, 1 }, { 16, 0, 1, 16, 1 }, { 16, 1, 0, 16, 1 },
		{ 0, 0, 0, 0, 1 },   { 16, 0, 0, 8, 1 },
		{ 8192, 0, 0, 8192, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
		char text[160];
		struct lie lie[] = { { "TENS", TENS("[4]", ""), 0, 0 },
				     { "CHNK", text, c[i].payload, 0 } };
		uint64_t h = digest_64(zero, c[i].n) + !c[i].good_hash;
		struct st_chunk chunk = { c[i].part, c[i].at, c[i].n, h };
		struct st_writer w;
		struct st_record r = { .type = "CHNK",
				       .payload = c[i].payload };
		struct msg_out o = { 0 };
		const struct lie head = { "HEAD",
					  "{\"kind\":\"base\",\"st\":1}", 0,
					  0 };

		assert_int_equal(st_writer_open(&w, path), 0);
		put_json(&w, &head);
		put_json(&w, &lie[0]);
		assert_int_equal(st_chunk_put(&o, &chunk), 0);
		r.header = o.n;
		r.payload_hash = r.payload ? digest_64(zero, r.payload) : 0;
		assert_int_equal(st_writer_put(&w, &r, o.at, zero), 0);
		assert_int_equal(st_writer_end(&w, NULL), 0);
		assert_int_equal(st_writer_close(&w), 0);
		st_writer_release(&w);
		msg_release(&o);
		assert_int_equal(parse(path), i ? E_DATA : 0);
	}
}

/* A record with what it needs to be believed. */
static void put_record(struct st_writer *w, const char *type,
		       const struct msg_out *o, const void *payload, size_t n)
{
	struct st_record r = { .header = o ? o->n : 0, .payload = n };

	memcpy(r.type, type, 5);
	r.payload_hash = n ? digest_64(payload, n) : 0;
	assert_int_equal(st_writer_put(w, &r, o ? o->at : "", payload), 0);
}

static int parse_record(const char *type, struct msg_out *o,
			const void *payload, size_t n, struct tensor *t)
{
	struct msg_out h = { 0 };
	struct st_writer w;

	assert_int_equal(st_writer_open(&w, path), 0);
	assert_int_equal(st_head_put(&h, STREAM_BASE), 0);
	put_record(&w, "HEAD", &h, NULL, 0);
	if (t) {
		assert_int_equal(st_tensor_put(&h, t), 0);
		put_record(&w, "TENS", &h, NULL, 0);
	}
	put_record(&w, type, o, payload, n);
	assert_int_equal(st_writer_end(&w, NULL), 0);
	assert_int_equal(st_writer_close(&w), 0);
	st_writer_release(&w);
	msg_release(&h);
	return parse(path);
}

static void lengths_of_samples_add_up(void **state)
{
	struct msg_out o = { 0 };
	struct batch_columns b = { .n = 2, .tokens = 3 };
	uint32_t column[8] = { 1, 2 };

	(void)state;
	for (uint32_t len = 0; len < 5; len++) {
		column[1] = len;
		assert_int_equal(st_batch_put(&o, &b, digest_64(column, 32)),
				 0);
		assert_int_equal(parse_record("BTCH", &o, column, 32, NULL),
				 len == 2 ? 0 : E_DATA);
	}
	assert_int_equal(st_batch_put(&o, &b, 1), 0);
	assert_int_equal(parse_record("BTCH", &o, column, 32, NULL), E_DATA);
	msg_release(&o);
}

static void what_codes_leave_is_zero(void **state)
{
	struct msg_out o = { 0 };
	struct tensor t;
	unsigned char code[2] = { 0x12, 0x30 };

	(void)state;
	begin_coded(&t, "t", 1, 3);
	t.node[add_codes(&t, STORE_NF4, 4, 3, 3)].part =
		tensor_part(&t, DTYPE_U4, 3);
	t.node[0].scale = tensor_node(&t, STORE_CONST, 1);
	for (unsigned char low = 0; low < 16; low++) {
		struct st_chunk c = { 0, 0, 2, 0 };

		code[1] = 0x30 | low;
		c.hash = digest_64(code, 2);
		assert_int_equal(st_chunk_put(&o, &c), 0);
		assert_int_equal(parse_record("CHNK", &o, code, 2, &t),
				 low ? E_DATA : 0);
	}
	tensor_release(&t);
	msg_release(&o);
}

static void two_tensors_of_a_name_are_refused(void **state)
{
	const struct lie twice[] = { { "TENS", TENS("[0]", ""), 0, 0 },
				     { "TENS", TENS("[0]", ""), 0, 0 } };

	(void)state;
	assert_int_equal(parse_lies(twice, 2), E_DATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_that_lie_are_refused),
		cmocka_unit_test(chunks_that_lie_are_refused),
		cmocka_unit_test(lengths_of_samples_add_up),
		cmocka_unit_test(what_codes_leave_is_zero),
		cmocka_unit_test(two_tensors_of_a_name_are_refused),
	};
	int fd = mkstemp(path), failed;

	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
