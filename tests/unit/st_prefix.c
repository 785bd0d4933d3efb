/* Prefixes and end records that lie, with hashes that do not. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "formats/st_writer.h"
#include "tests/unit/st_streams.h"

static unsigned char good[ST_PREFIX];

static void make_good(void)
{
	struct st_record r = { .type = "CHNK", .header = 20, .payload = 100,
			       .pad = 8, .payload_hash = 1, .align = 6 };

	st_record_put(&r, good);
}

static int get(const unsigned char *from)
{
	unsigned char at[ST_PREFIX];
	struct st_record r;

	memcpy(at, from, sizeof(at));
	le32_put(at + 44, (uint32_t)digest_64(at, 44));
	return st_record_get(&r, at);
}

/* One field of the good prefix replaced. */
static int with(size_t offset, size_t bytes, uint64_t value)
{
	unsigned char at[ST_PREFIX];

	memcpy(at, good, sizeof(at));
	memcpy(at + offset, &value, bytes);
	return get(at);
}

static void fields_have_limits(void **state)
{
	uint64_t frame = le32_get(good + 4);

	(void)state;
	assert_int_equal(get(good), 0);
	assert_int_equal(with(0, 4, 0x184D2A5B), E_DATA);
	assert_int_equal(with(4, 4, frame - 8), 0);
	assert_int_equal(with(4, 4, frame - 9), E_DATA);
	assert_int_equal(with(4, 4, frame - 8 + ST_PAD - 1), 0);
	assert_int_equal(with(4, 4, frame - 8 + ST_PAD), E_DATA);
	assert_int_equal(with(4, 4, UINT32_MAX), E_DATA);
	assert_int_equal(with(8, 1, '['), E_DATA);
	assert_int_equal(with(8, 1, 0), E_DATA);
	assert_int_equal(with(11, 1, 0x80), E_DATA);
	assert_int_equal(with(12, 4, 21), 0);
	assert_int_equal(with(12, 4, 29), E_DATA);
	assert_int_equal(with(12, 4, UINT32_MAX), E_DATA);
	assert_int_equal(with(16, 8, 108), 0);
	assert_int_equal(with(16, 8, 109), E_DATA);
	assert_int_equal(with(16, 8, (uint64_t)1 << 63), E_DATA);
	assert_int_equal(with(16, 8, UINT64_MAX), E_DATA);
	assert_int_equal(with(16, 8, (uint64_t)1 << 32), E_DATA);
	assert_int_equal(with(16, 8, 0), E_DATA);       /* with a hash */
	for (int bit = 1; bit < 16; bit++)
		assert_int_equal(with(40, 2, (uint64_t)1 << bit), E_DATA);
	assert_int_equal(with(42, 1, ST_ALIGN), 0);
	assert_int_equal(with(42, 1, ST_ALIGN + 1), E_DATA);
	assert_int_equal(with(43, 1, 2), E_DATA);       /* raw */
}

static void long_headers_are_of_few_types(void **state)
{
	struct st_record r = { .type = "TENS", .header = ST_HEADER };

	(void)state;
	for (int step = 0; step < 2; step++) {
		r.header = ST_HEADER + (size_t)step;
		memcpy(r.type, "TENS", 5);
		st_record_put(&r, good);
		assert_int_equal(get(good), step ? E_DATA : 0);
		memcpy(r.type, "META", 5);
		st_record_put(&r, good);
		assert_int_equal(get(good), 0);
		r.header = ST_HEADER_LONG + (size_t)step;
		st_record_put(&r, good);
		assert_int_equal(get(good), step ? E_DATA : 0);
	}
	make_good();
}

static void only_packed_payloads_have_planes(void **state)
{
	struct st_record r = { .type = "CHNK", .header = 20, .payload = 100,
			       .payload_hash = 1, .packed = 1 };

	(void)state;
	for (int planes = 0; planes < 256; planes++) {
		int known = planes == 0 || planes == 2 || planes == 4 ||
			    planes == 8;

		r.planes = planes;
		st_record_put(&r, good);
		assert_int_equal(get(good), known ? 0 : E_DATA);
	}
	r.planes = 0;
	r.payload = ST_PAYLOAD;
	st_record_put(&r, good);
	assert_int_equal(get(good), 0);
	r.payload++;
	st_record_put(&r, good);
	assert_int_equal(get(good), E_DATA);
	make_good();
}

/* ---- ENDS ---- */

struct ends {
	uint64_t bytes, records, stream, tensors;
	size_t content, size;
	int flip;
};

static int parse_ends(char *path, const struct ends *e)
{
	struct st_record r = { .type = "ENDS" };
	unsigned char digest[DIGEST_SIZE + 1] = { 0 };
	struct msg_out o = { 0 };
	struct st_writer w;
	int err;

	assert_int_equal(st_writer_open(&w, path), 0);
	assert_int_equal(st_head_put(&o, STREAM_BASE), 0);
	r = (struct st_record){ .type = "HEAD", .header = o.n };
	assert_int_equal(st_writer_put(&w, &r, o.at, NULL), 0);
	digest_get_128(w.content, digest);
	digest[3] ^= (unsigned char)e->flip;
	msg_begin(&o);
	msg_put_map(&o, 5);
	msg_put_text(&o, "bytes");
	msg_put_u64(&o, w.out.offset + e->bytes + ST_ENDS);
	msg_put_text(&o, "content");
	msg_put_bin(&o, digest, e->content);
	msg_put_text(&o, "records");
	msg_put_u64(&o, e->records);
	msg_put_text(&o, "stream");
	msg_put_u64(&o, digest_get_64(w.prefixes) + e->stream);
	msg_put_text(&o, "tensors");
	msg_put_u64(&o, e->tensors);
	r = (struct st_record){ .type = "ENDS", .header = o.n,
				.packed = 0 };
	r.pad = e->size - ST_PREFIX - o.n;
	r.header_hash = digest_64(o.at, o.n);
	st_record_put(&r, good);
	assert_int_equal(st_writer_copy(&w, good, ST_PREFIX), 0);
	assert_int_equal(st_writer_copy(&w, o.at, o.n), 0);
	assert_int_equal(st_writer_zeros(&w, r.pad), 0);
	assert_int_equal(st_writer_close(&w), 0);
	st_writer_release(&w);
	msg_release(&o);
	err = parse(path);
	assert_int_equal(parse_how(path, 0), err);
	return err;
}

static void end_records_agree(void **state)
{
	static const struct ends bad[] = {
		{ 1, 1, 0, 0, 16, 256, 0 },  { 0, 2, 0, 0, 16, 256, 0 },
		{ 0, 0, 0, 0, 16, 256, 0 },  { 0, 1, 1, 0, 16, 256, 0 },
		{ 0, 1, 0, 1, 16, 256, 0 },  { 0, 1, 0, 0, 15, 256, 0 },
		{ 0, 1, 0, 0, 17, 256, 0 },  { 0, 1, 0, 0, 16, 257, 0 },
		{ 1, 1, 0, 0, 16, 257, 0 },  { 0, 1, 0, 0, 16, 256, 8 },
	};
	const struct ends fine = { 0, 1, 0, 0, 16, 256, 0 };
	char path[] = "/tmp/st_prefix.XXXXXX";

	(void)state;
	close(mkstemp(path));
	assert_int_equal(parse_ends(path, &fine), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (parse_ends(path, &bad[i]) != E_DATA)
			fail_msg("end record %zu was accepted", i);
	unlink(path);
	make_good();
}

/* HEAD, and an unknown record whose 8 bytes lie after so much padding. */
static int parse_placed(char *path, size_t pad)
{
	static const char payload[8];
	struct st_record r;
	struct msg_out o = { 0 };
	struct st_writer w;

	assert_int_equal(st_writer_open(&w, path), 0);
	assert_int_equal(st_head_put(&o, STREAM_BASE), 0);
	r = (struct st_record){ .type = "HEAD", .header = o.n };
	assert_int_equal(st_writer_put(&w, &r, o.at, NULL), 0);
	r = (struct st_record){ .type = "anyx", .payload = 8, .align = 3,
				.pad = pad };
	r.payload_hash = digest_64(payload, 8);
	r.header_hash = digest_64("", 0);
	st_record_put(&r, good);
	w.records++;
	digest_add(w.prefixes, good, ST_PREFIX);
	assert_int_equal(st_writer_copy(&w, good, ST_PREFIX), 0);
	assert_int_equal(st_writer_zeros(&w, pad), 0);
	assert_int_equal(st_writer_copy(&w, payload, 8), 0);
	assert_int_equal(st_writer_end(&w, NULL), 0);
	assert_int_equal(st_writer_close(&w), 0);
	st_writer_release(&w);
	msg_release(&o);
	return parse(path);
}

static void payloads_lie_where_they_say(void **state)
{
	char path[] = "/tmp/st_prefix.XXXXXX";
	size_t at = 63 + ST_PREFIX;

	(void)state;
	close(mkstemp(path));
	for (size_t pad = 0; pad < 24; pad++)
		assert_int_equal(parse_placed(path, pad),
				 (at + pad) % 8 ? E_DATA : 0);
	unlink(path);
	make_good();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_have_limits),
		cmocka_unit_test(long_headers_are_of_few_types),
		cmocka_unit_test(only_packed_payloads_have_planes),
		cmocka_unit_test(end_records_agree),
		cmocka_unit_test(payloads_lie_where_they_say),
	};

	make_good();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
