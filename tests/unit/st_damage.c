/* Streams that were cut, damaged or reordered: all are refused. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/rng.h"
#include "formats/st_record.h"
#include "tests/unit/st_streams.h"

static char path[] = "/tmp/st_damage.XXXXXX";

static void store(const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	close(fd);
}

static int parse_bytes(const char *text, size_t n)
{
	store(text, n);
	return parse(path);
}

/* ---- samples ---- */

static void put_one(struct sink *s, enum stream_kind kind, size_t tensor)
{
	struct tensor t;

	assert_int_equal(sink_head(s, kind), 0);
	sample_tensor(&t, tensor);
	assert_int_equal(sink_tensor(s, &t), 0);
	tensor_release(&t);
	assert_int_equal(sink_end(s, NULL), 0);
}

/* Two nodes of provenance, so that order matters there too. */
static void put_provenance(struct sink *s)
{
	json_t *a = json_pack("{ss}", "tool", "one");
	json_t *b = json_pack("{ss}", "tool", "two");

	assert_int_equal(sink_head(s, STREAM_EVAL), 0);
	assert_int_equal(sink_keep(s, a), 0);
	assert_int_equal(sink_keep(s, b), 0);
	assert_int_equal(sink_end(s, NULL), 0);
	json_decref(a);
	json_decref(b);
}

enum { SAMPLES = 5 };

static char *sample(size_t which, size_t *n)
{
	struct sink_options o = { .level = which == 1 ? 1 : 0 };
	struct sink *s;
	char *text;

	assert_int_equal(sink_open(&s, path, &o), 0);
	switch (which) {
	case 0:
		put_stream(s, STREAM_BASE);
		break;
	case 1:
		put_one(s, STREAM_BASE, 1);     /* packed */
		break;
	case 2:
		put_one(s, STREAM_BASE, 4);     /* nested */
		break;
	case 3:
		put_provenance(s);
		break;
	default:
		assert_int_equal(sink_head(s, STREAM_DATA), 0);
		assert_int_equal(sink_batch(s, &sample_batch), 0);
		assert_int_equal(sink_end(s, NULL), 0);
		put_one(s, STREAM_ADAPTER, 5);
	}
	assert_int_equal(sink_close(s), 0);
	assert_int_equal(parse(path), 0);
	assert_int_equal(io_read_file(&text, n, path, 1 << 26), 0);
	return text;
}

/* Where the stream that begins at this place ends. */
static size_t stream_end(const char *text, size_t at)
{
	struct st_record r;

	do {
		assert_int_equal(st_record_get(&r, (const void *)(text + at)),
				 0);
		at += st_record_size(&r);
	} while (strcmp(r.type, "ENDS"));
	return at;
}

static void every_prefix_is_refused(void **state)
{
	(void)state;
	for (size_t k = 0; k < SAMPLES; k++) {
		size_t n, boundary;
		char *text = sample(k, &n);

		boundary = stream_end(text, 0);
		for (size_t cut = n; cut-- > 0;) {
			int err;

			assert_int_equal(truncate(path, (off_t)cut), 0);
			err = parse(path);
			if (err != (cut == boundary ? 0 : E_DATA))
				fail_msg("sample %zu cut at %zu of %zu: %d",
					 k, cut, n, err);
		}
		free(text);
	}
}

static void every_flipped_bit_is_refused(void **state)
{
	(void)state;
	for (size_t k = 0; k < SAMPLES; k++) {
		size_t n;
		char *text = sample(k, &n);
		int fd = open(path, O_WRONLY);

		for (size_t bit = 0; bit < 8 * n; bit++) {
			char c = (char)(text[bit / 8] ^ 1 << bit % 8);
			off_t at = (off_t)(bit / 8);
			int err;

			assert_int_equal(pwrite(fd, &c, 1, at), 1);
			err = parse(path);
			if (err != E_DATA)
				fail_msg("sample %zu byte %zu bit %zu: %d", k,
					 bit / 8, bit % 8, err);
			assert_int_equal(pwrite(fd, &text[bit / 8], 1, at), 1);
		}
		close(fd);
		free(text);
	}
}

/* Two bytes at a time, at places and with values that a counter gives. */
static void two_wrong_bytes_are_refused(void **state)
{
	struct rng r = rng_of(1, "damage");
	size_t n;
	char *text = sample(0, &n);
	int fd = open(path, O_WRONLY);

	(void)state;
	for (uint64_t i = 0; i < 5000; i++) {
		off_t at[2] = { (off_t)rng_below(r, 4 * i, n),
				(off_t)rng_below(r, 4 * i + 1, n) };
		char c[2];
		int err;

		for (int k = 0; k < 2; k++) {
			c[k] = (char)(text[at[k]] ^
				      (1 + rng_below(r, 4 * i + 2, 255)));
			assert_int_equal(pwrite(fd, &c[k], 1, at[k]), 1);
		}
		err = at[0] == at[1] ? E_DATA : parse(path);
		if (err != E_DATA)
			fail_msg("bytes %zu, %zu: %d", (size_t)at[0],
				 (size_t)at[1], err);
		for (int k = 0; k < 2; k++)
			assert_int_equal(pwrite(fd, &text[at[k]], 1, at[k]),
					 1);
	}
	close(fd);
	free(text);
}

/* ---- records out of order ---- */

enum { RECORDS = 64 };

struct piece {
	const char *at;
	size_t n;
};

static size_t split(struct piece piece[RECORDS], const char *text, size_t n)
{
	size_t count = 0;

	for (size_t at = 0; at < n; count++) {
		struct st_record r;

		assert_true(count < RECORDS);
		assert_int_equal(st_record_get(&r, (const void *)(text + at)),
				 0);
		piece[count] = (struct piece){ text + at,
					       st_record_size(&r) };
		at += piece[count].n;
	}
	return count;
}

static int parse_pieces(const struct piece *piece, size_t count)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(write(fd, piece[i].at, piece[i].n),
				 (ssize_t)piece[i].n);
	close(fd);
	return parse(path);
}

static void lost_doubled_and_swapped_records_are_refused(void **state)
{
	struct piece was[RECORDS], is[RECORDS + 1];

	(void)state;
	for (size_t k = 0; k < SAMPLES - 1; k++) {
		size_t n, count;
		char *text = sample(k, &n);

		count = split(was, text, n);
		for (size_t i = 0; i < count; i++) {
			memcpy(is, was, sizeof(was));
			memmove(is + i, was + i + 1,
				(count - i - 1) * sizeof(*is));
			assert_int_equal(parse_pieces(is, count - 1), E_DATA);
			memcpy(is + i + 1, was + i,
			       (count - i) * sizeof(*is));
			is[i] = was[i];
			assert_int_equal(parse_pieces(is, count + 1), E_DATA);
		}
		for (size_t i = 0; i < count; i++)
			for (size_t j = i + 1; j < count; j++) {
				memcpy(is, was, sizeof(was));
				is[i] = was[j];
				is[j] = was[i];
				assert_int_equal(parse_pieces(is, count),
						 E_DATA);
			}
		free(text);
	}
}

/* The head of one stream and the tail of another, cut between records. */
static void spliced_streams_are_refused(void **state)
{
	struct piece a[RECORDS], b[RECORDS], is[2 * RECORDS];
	size_t n, na, nb;
	char *one = sample(0, &n), *two;

	(void)state;
	na = split(a, one, n);
	two = sample(2, &n);
	nb = split(b, two, n);
	for (size_t i = 1; i < na; i++)
		for (size_t j = 1; j < nb; j++) {
			memcpy(is, a, i * sizeof(*is));
			memcpy(is + i, b + j, (nb - j) * sizeof(*is));
			if (i == 1 && j == 1)
				continue;       /* their HEADs are the same */
			if (parse_pieces(is, i + nb - j) != E_DATA)
				fail_msg("records to %zu, then from %zu", i,
					 j);
		}
	free(one);
	free(two);
}

static void other_bytes_are_no_stream(void **state)
{
	size_t n;
	char *text = sample(1, &n), *more = malloc(2 * n);

	(void)state;
	assert_int_equal(parse_bytes("", 0), E_DATA);
	assert_int_equal(parse_bytes("hello", 5), E_DATA);
	memcpy(more, text, n);
	memcpy(more + n, text, n);
	assert_int_equal(parse_bytes(more, 2 * n), 0);
	assert_int_equal(parse_bytes(more, n + 1), E_DATA);
	memset(more + n, 0, n);
	assert_int_equal(parse_bytes(more, 2 * n), E_DATA);
	free(text);
	free(more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_prefix_is_refused),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(lost_doubled_and_swapped_records_are_refused),
		cmocka_unit_test(two_wrong_bytes_are_refused),
		cmocka_unit_test(spliced_streams_are_refused),
		cmocka_unit_test(other_bytes_are_no_stream),
	};
	int fd = mkstemp(path), failed;

	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
