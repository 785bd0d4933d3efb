/* What a filter lets through, and what collect() joins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/opt.h"
#include "formats/collect.h"
#include "formats/filter.h"
#include "formats/st_writer.h"
#include "tests/unit/st_streams.h"

static char in[64], out[64], again[64];
static size_t rank = 16;
static struct opt own[] = {
	{ "rank", 'r', OPT_COUNT, &rank, "N", "rank", .flags = OPT_RECORD },
	{ 0 }
};
static const struct opt_program program = { "test-filter", .own = own };

static char *slurp(const char *path, size_t *n)
{
	char *text;

	assert_int_equal(io_read_file(&text, n, path, 1 << 26), 0);
	return text;
}

static void write_streams(const enum stream_kind *kind, size_t n)
{
	struct sink *s;

	assert_int_equal(sink_open(&s, in, NULL), 0);
	for (size_t i = 0; i < n; i++)
		put_stream(s, kind[i]);
	assert_int_equal(sink_close(s), 0);
}

static int pass(void *ctx, struct source *from, const struct item *item,
		struct sink *to)
{
	++*(size_t *)ctx;
	return sink_pass(to, from, item);
}

static int load_and_pass(void *ctx, struct source *from,
			 const struct item *item, struct sink *to)
{
	++*(size_t *)ctx;
	TRY(source_load(from));
	return sink_pass(to, from, item);
}

static int run(enum stream_kind kind, size_t *calls,
	       int (*fn)(void *, struct source *, const struct item *,
			 struct sink *))
{
	struct filter f = { .kind = kind, .tensor = fn, .ctx = calls,
			    .required = 1 };
	char *paths[] = { in, NULL };

	*calls = 0;
	opt_common.output = out;
	return filter_run(&f, &program, paths, NULL);
}

static void other_streams_stay_as_they_are(void **state)
{
	const enum stream_kind kind[] = { STREAM_DATA, STREAM_BASE,
					  STREAM_ADAPTER };
	size_t calls, n[2], one;
	char *text[2];

	(void)state;
	write_streams(kind, 3);
	assert_int_equal(run(STREAM_BASE, &calls, pass), 0);
	assert_int_equal(calls, SAMPLE_TENSORS);
	text[0] = slurp(in, &n[0]);
	text[1] = slurp(out, &n[1]);
	write_streams(kind, 1);
	free(slurp(in, &one));
	assert_memory_equal(text[0], text[1], one);
	write_streams(kind + 2, 1);
	free(slurp(in, &one));
	assert_memory_equal(text[0] + n[0] - one, text[1] + n[1] - one, one);
	free(text[0]);
	free(text[1]);
}

static const char unknown[] = "\x81\xa1" "a\x01", bytes[100] = { 1, 2, 3 };

/* HEAD, a record that no one knows, a tensor, another, ENDS. */
static void write_unknown(void)
{
	struct st_record r = { .type = "what", .header = 4, .payload = 100 };
	struct msg_out o = { 0 };
	struct st_writer w;
	struct st_record head = { .type = "HEAD" }, tens = { .type = "TENS" };
	struct tensor t;

	r.payload_hash = digest_64(bytes, 100);
	assert_int_equal(st_writer_open(&w, in), 0);
	assert_int_equal(st_head_put(&o, STREAM_BASE), 0);
	head.header = o.n;
	assert_int_equal(st_writer_put(&w, &head, o.at, NULL), 0);
	assert_int_equal(st_writer_put(&w, &r, unknown, bytes), 0);
	sample_tensor(&t, 3);
	assert_int_equal(st_tensor_put(&o, &t), 0);
	tensor_release(&t);
	tens.header = o.n;
	assert_int_equal(st_writer_put(&w, &tens, o.at, NULL), 0);
	assert_int_equal(st_writer_put(&w, &r, unknown, bytes), 0);
	assert_int_equal(st_writer_end(&w, NULL), 0);
	assert_int_equal(st_writer_close(&w), 0);
	st_writer_release(&w);
	msg_release(&o);
}

/* Where the n-th record of type "what" lies. */
static char *find_unknown(char *text, size_t n)
{
	char *at = text;

	while (n--)
		do
			at++;
		while (memcmp(at, "what", 4));
	return at - 8;
}

static void unknown_records_pass(void **state)
{
	size_t calls, n[2];
	char *text[2];

	(void)state;
	write_unknown();
	assert_int_equal(run(STREAM_BASE, &calls, pass), 0);
	text[0] = slurp(in, &n[0]);
	text[1] = slurp(out, &n[1]);
	for (size_t i = 1; i <= 2; i++)
		assert_memory_equal(find_unknown(text[0], i),
				    find_unknown(text[1], i), 48 + 4 + 100);
	free(text[0]);
	free(text[1]);
}

static void a_missing_kind_is_an_error(void **state)
{
	const enum stream_kind kind[] = { STREAM_DATA };
	size_t calls;

	(void)state;
	write_streams(kind, 1);
	unlink(out);
	assert_int_equal(run(STREAM_BASE, &calls, pass), E_DATA);
	assert_int_equal(access(out, F_OK), -1);
}

/* Copied bytes and bytes decoded and encoded again are the same. */
static void loading_does_not_show(void **state)
{
	const enum stream_kind kind[] = { STREAM_BASE };
	size_t calls, n[2];
	char *text[2];

	(void)state;
	write_streams(kind, 1);
	assert_int_equal(run(STREAM_BASE, &calls, pass), 0);
	text[0] = slurp(out, &n[0]);
	assert_int_equal(run(STREAM_BASE, &calls, load_and_pass), 0);
	text[1] = slurp(out, &n[1]);
	assert_int_equal(n[0], n[1]);
	assert_memory_equal(text[0], text[1], n[0]);
	free(text[0]);
	free(text[1]);
}

static void provenance_grows_by_one(void **state)
{
	const enum stream_kind kind[] = { STREAM_BASE };
	char *paths[] = { again, NULL };
	struct collection c;
	size_t calls;
	json_t *last;

	(void)state;
	write_streams(kind, 1);
	assert_int_equal(run(STREAM_BASE, &calls, pass), 0);
	assert_int_equal(rename(out, in), 0);
	rank = 8;
	assert_int_equal(run(STREAM_BASE, &calls, pass), 0);
	rank = 16;
	assert_int_equal(rename(out, again), 0);
	assert_int_equal(collect(&c, paths), 0);
	assert_int_equal(json_array_size(c.base.provenance), 2);
	last = json_array_get(c.base.provenance, 1);
	assert_string_equal(json_text(last, "tool", ""), "test-filter");
	assert_string_equal(json_text(last, "params.rank", ""), "8");
	assert_int_equal(json_array_size(json_object_get(last, "in")), 1);
	collection_release(&c);
}

static void collect_joins_all_kinds(void **state)
{
	const enum stream_kind kind[] = { STREAM_DATA, STREAM_BASE,
					  STREAM_ADAPTER, STREAM_DATA,
					  STREAM_ADAPTER };
	char *paths[] = { in, NULL };
	struct collection c;
	size_t n;

	(void)state;
	write_streams(kind, 5);
	assert_int_equal(collect(&c, paths), 0);
	assert_true(c.base.present && c.has_data);
	assert_int_equal(c.nadapter, 2);
	assert_int_equal(c.ninput, 5);
	assert_int_equal(c.base.tensors.n, SAMPLE_TENSORS);
	assert_int_equal(c.adapter[1].tensors.n, SAMPLE_TENSORS);
	assert_int_equal(c.data.n, 6);
	assert_int_equal(c.data.start[6], 14);
	assert_int_equal(c.data.id[7], 1);
	assert_int_equal(samples_labels(&c.data, 0), 2);
	assert_non_null(collection_file(&c.base, "config.json", &n));
	assert_int_equal(n, 21);
	assert_null(collection_file(&c.base, "absent.json", &n));
	assert_int_equal(json_integer_value(json_path(
				 c.base.meta, "model.config.hidden")), 64);
	collection_release(&c);
}

static void a_name_twice_is_an_error(void **state)
{
	const enum stream_kind kind[] = { STREAM_BASE, STREAM_BASE };
	char *paths[] = { in, NULL };
	struct collection c;

	(void)state;
	write_streams(kind, 2);
	assert_int_equal(collect(&c, paths), E_DATA);
	collection_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_streams_stay_as_they_are),
		cmocka_unit_test(unknown_records_pass),
		cmocka_unit_test(a_missing_kind_is_an_error),
		cmocka_unit_test(loading_does_not_show),
		cmocka_unit_test(provenance_grows_by_one),
		cmocka_unit_test(collect_joins_all_kinds),
		cmocka_unit_test(a_name_twice_is_an_error),
	};
	char dir[] = "/tmp/st_filter.XXXXXX";
	int failed;

	if (!mkdtemp(dir))
		return 1;
	snprintf(in, sizeof(in), "%s/in", dir);
	snprintf(out, sizeof(out), "%s/out", dir);
	snprintf(again, sizeof(again), "%s/again", dir);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(in);
	unlink(out);
	unlink(again);
	rmdir(dir);
	return failed;
}
