/* What a sink writes, a source reads; and nothing about threads shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/par.h"
#include "base/rng.h"
#include "formats/st_record.h"
#include "tests/unit/st_streams.h"

static char path[] = "/tmp/st_roundtrip.XXXXXX";

static void write_sample(enum stream_kind kind, int level, size_t lanes)
{
	struct pool *pool;
	struct sink_options o = { .level = level };
	struct sink *s;

	assert_int_equal(pool_new(&pool, lanes), 0);
	o.pool = pool;
	assert_int_equal(sink_open(&s, path, &o), 0);
	put_stream(s, kind);
	assert_int_equal(sink_close(s), 0);
	pool_free(pool);
}

static void same_tensor(const struct tensor *a, const struct tensor *b)
{
	int order[TENSOR_PARTS];

	assert_string_equal(a->name, b->name);
	assert_int_equal(a->role, b->role);
	assert_int_equal(a->dtype, b->dtype);
	assert_int_equal(a->rank, b->rank);
	for (int i = 0; i < a->rank; i++)
		assert_int_equal(a->shape[i], b->shape[i]);
	assert_int_equal(a->nnode, b->nnode);
	assert_int_equal(st_part_order(a, order), b->npart);
	for (int i = 0; i < b->npart; i++) {
		const struct tensor_part *p = &a->part[order[i]];

		assert_int_equal(p->dtype, b->part[i].dtype);
		assert_int_equal(p->bytes, b->part[i].bytes);
		assert_memory_equal(p->data, b->part[i].data, p->bytes);
	}
	for (int i = 0; i < a->nnode; i++) {
		const struct storage *x = &a->node[i], *y = &b->node[i];

		assert_int_equal(x->kind, y->kind);
		assert_int_equal(x->count, y->count);
		assert_int_equal(x->block, y->block);
		assert_true(x->value == y->value);
		assert_string_equal(x->format, y->format);
		assert_int_equal(!x->book, !y->book);
		if (x->book)
			assert_memory_equal(x->book, y->book,
					    sizeof(float) << x->bits);
	}
}

static void read_sample(enum stream_kind kind)
{
	char *paths[] = { path, NULL };
	struct item item;
	struct source *s;
	size_t n = 0;

	assert_int_equal(source_open(&s, paths), 0);
	assert_int_equal(source_next(s, &item), 0);
	assert_int_equal(item.kind, ITEM_HEAD);
	assert_int_equal(item.stream, kind);
	do {
		assert_int_equal(source_next(s, &item), 0);
		if (item.kind == ITEM_META) {
			json_t *want = sample_meta();

			assert_true(json_equal(item.value, want));
			json_decref(want);
		} else if (item.kind == ITEM_TENSOR) {
			struct tensor want;

			sample_tensor(&want, n++);
			assert_int_equal(source_load(s), 0);
			same_tensor(&want, item.tensor);
			tensor_release(&want);
		} else if (item.kind == ITEM_BATCH) {
			assert_int_equal(item.batch.n, 3);
			assert_memory_equal(item.batch.len, sample_batch.len,
					    12);
			assert_memory_equal(item.batch.ids, sample_batch.ids,
					    28);
			assert_memory_equal(item.batch.labels,
					    sample_batch.labels, 28);
		}
	} while (item.kind != ITEM_END);
	assert_int_equal(n, SAMPLE_TENSORS);
	assert_int_equal(source_next(s, &item), 0);
	assert_int_equal(item.kind, ITEM_NONE);
	source_close(s);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	for (int level = 0; level < 4; level += 3) {
		write_sample(STREAM_BASE, level, 1);
		read_sample(STREAM_BASE);
	}
	write_sample(STREAM_ADAPTER, 1, 1);
	read_sample(STREAM_ADAPTER);
}

/* Ten chunks of bf16 that compress and of f32 noise that does not. */
static void put_large(struct sink *s)
{
	size_t shape[] = { 1000, 20000 };
	struct rng r = rng_of(7, "large");
	struct tensor t;
	uint16_t *at;

	assert_int_equal(sink_head(s, STREAM_BASE), 0);
	assert_int_equal(tensor_init(&t, "large", ROLE_LINEAR, DTYPE_BF16, 2,
				     shape), 0);
	assert_int_equal(tensor_alloc(&t), 0);
	at = t.part[0].data;
	for (size_t i = 0; i < t.count; i += 4) {
		uint32_t word[4];

		rng_words(r, i, word);
		for (size_t k = 0; k < 4; k++)
			at[i + k] = 0x3c00 | (word[k] & 0x80ff);
	}
	assert_int_equal(sink_tensor(s, &t), 0);
	tensor_release(&t);
	assert_int_equal(sink_end(s, NULL), 0);
}

static void threads_do_not_show(void **state)
{
	char *text[3];
	size_t size[3];

	(void)state;
	for (size_t lanes = 1; lanes <= 3; lanes++) {
		struct sink_options o = { .level = 1 };
		struct sink *s;

		assert_int_equal(pool_new(&o.pool, lanes), 0);
		assert_int_equal(sink_open(&s, path, &o), 0);
		put_large(s);
		assert_int_equal(sink_close(s), 0);
		pool_free(o.pool);
		assert_int_equal(io_read_file(&text[lanes - 1],
					      &size[lanes - 1], path,
					      (size_t)1 << 30), 0);
		assert_int_equal(size[lanes - 1], size[0]);
		assert_memory_equal(text[lanes - 1], text[0], size[0]);
	}
	assert_true(size[0] < (size_t)38000000);
	for (int i = 0; i < 3; i++)
		free(text[i]);
}

/* Two chunks: zeros and noise, in either order. Bytes of the file. */
static size_t size_of_halves(int noise_first)
{
	size_t shape[] = { 2, 1 << 20 }, size;
	struct rng r = rng_of(7, "halves");
	struct tensor t;
	struct sink *s;
	char *text;
	uint32_t *at, word[4];

	assert_int_equal(sink_open(&s, path, NULL), 0);
	assert_int_equal(sink_head(s, STREAM_BASE), 0);
	assert_int_equal(tensor_init(&t, "halves", ROLE_LINEAR, DTYPE_F32, 2,
				     shape), 0);
	assert_int_equal(tensor_alloc(&t), 0);
	at = (uint32_t *)t.part[0].data + (noise_first ? 0 : shape[1]);
	for (size_t i = 0; i < shape[1]; i++) {
		rng_words(r, i, word);
		at[i] = word[0];
	}
	assert_int_equal(sink_tensor(s, &t), 0);
	tensor_release(&t);
	assert_int_equal(sink_end(s, NULL), 0);
	assert_int_equal(sink_close(s), 0);
	assert_int_equal(io_read_file(&text, &size, path, 1 << 26), 0);
	free(text);
	return size;
}

static size_t chunk_of(size_t rows, size_t cols, enum dtype d, size_t at)
{
	struct tensor t = { .rank = 2, .count = rows * cols, .dtype = d,
			    .shape = { rows, cols } };

	assert_int_equal(tensor_part(&t, d, t.count), 0);
	return st_chunk_size(&t, 0, at);
}

static void chunks_are_whole_rows(void **state)
{
	size_t row = 40000, most = 104 * row;

	(void)state;
	assert_int_equal(chunk_of(1000, 20000, DTYPE_BF16, 0), most);
	assert_int_equal(chunk_of(1000, 20000, DTYPE_BF16, most), most);
	assert_int_equal(chunk_of(1000, 20000, DTYPE_BF16, 9 * most),
			 1000 * row - 9 * most);
	assert_int_equal(chunk_of(3, 4 << 20, DTYPE_BF16, 0), ST_CHUNK);
	assert_int_equal(chunk_of(3000, 4001, DTYPE_U4, 0), ST_CHUNK);
	assert_int_equal(chunk_of(3, 8, DTYPE_U4, 0), 12);
}

static void adapters_are_raw(void **state)
{
	static const char magic[] = "\x28\xb5\x2f\xfd";

	(void)state;
	for (int raw = 0; raw < 2; raw++) {
		size_t n, found = 0;
		char *text;

		write_sample(raw ? STREAM_ADAPTER : STREAM_BASE, 1, 1);
		assert_int_equal(io_read_file(&text, &n, path, 1 << 26), 0);
		for (size_t i = 0; i + 4 <= n; i++)
			found += !memcmp(text + i, magic, 4);
		assert_int_equal(found > 0, !raw);
		free(text);
	}
}

static void the_first_chunk_decides(void **state)
{
	(void)state;
	assert_in_range(size_of_halves(1), 8 << 20, (8 << 20) + 16384);
	assert_in_range(size_of_halves(0), 4 << 20, (4 << 20) + 16384);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(threads_do_not_show),
		cmocka_unit_test(the_first_chunk_decides),
		cmocka_unit_test(chunks_are_whole_rows),
		cmocka_unit_test(adapters_are_raw),
	};
	int fd = mkstemp(path), failed;

	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
