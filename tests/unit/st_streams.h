/* st_streams - small streams with something of everything, for tests */
#ifndef TESTS_UNIT_ST_STREAMS_H
#define TESTS_UNIT_ST_STREAMS_H

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "formats/sink.h"
#include "formats/st_header.h"

enum { SAMPLE_TENSORS = 8 };

static const uint32_t sample_len[] = { 3, 0, 4 };
static const uint32_t sample_ids[] = { 1, 2, 3, 49151, 5, 6, 7 };
static const int32_t sample_labels[] = { -100, 2, 3, -100, -100, 6, 7 };
static const struct batch_columns sample_batch = {
	.n = 3, .len = sample_len, .ids = sample_ids, .labels = sample_labels,
	.tokens = 7,
};

static inline json_t *sample_meta(void)
{
	return json_pack("{s{si sf sb sn s[sii]}}", "config", "hidden", 64,
			 "theta", 10000.0, "tied", 1, "none", "list", "x", -5,
			 INT32_MAX);
}

static inline void fill_parts(struct tensor *t)
{
	assert_int_equal(tensor_alloc(t), 0);
	for (int i = 0; i < t->npart; i++) {
		struct tensor_part *p = &t->part[i];
		size_t over = p->bytes * 8 - p->count * dtype_bits(p->dtype);
		unsigned char *at = p->data;

		for (size_t k = 0; k < p->bytes; k++)
			at[k] = (unsigned char)(k * 37 + (k >> 3) * 11 +
						(size_t)i);
		if (p->bytes)
			at[p->bytes - 1] &= (unsigned char)~((1u << over) - 1);
	}
}

/* A node with codes: scale is what the caller adds next. */
static inline int add_codes(struct tensor *t, enum storage_kind kind, int bits,
			    size_t count, size_t block)
{
	int i = tensor_node(t, kind, count);

	t->node[i].bits = bits;
	t->node[i].block = block;
	return i;
}

static inline void begin_coded(struct tensor *t, const char *name,
			       size_t rows, size_t cols)
{
	size_t shape[] = { rows, cols };

	assert_int_equal(tensor_init(t, name, ROLE_LINEAR, DTYPE_BF16, 2,
				     shape), 0);
	t->nnode = t->npart = 0;
}

static inline int add_raw(struct tensor *t, size_t count, enum dtype d)
{
	int i = tensor_node(t, STORE_RAW, count);

	t->node[i].dtype = d;
	t->node[i].part = tensor_part(t, d, count);
	return i;
}

/* Doubly quantised NF4: the scale of the scale comes first. */
static inline void make_nf4(struct tensor *t)
{
	int root, scale;

	begin_coded(t, "nf4", 5, 63);
	root = add_codes(t, STORE_NF4, 4, 315, 64);
	scale = add_codes(t, STORE_DYN8, 8, 5, 256);
	t->node[root].scale = scale;
	t->node[scale].scale = add_raw(t, 1, DTYPE_F32);
	t->node[scale].shift = tensor_node(t, STORE_CONST, 1);
	t->node[t->node[scale].shift].value = 0.0421;
	t->node[scale].part = tensor_part(t, DTYPE_U8, 5);
	t->node[root].part = tensor_part(t, DTYPE_U4, 315);
}

static inline void make_int3(struct tensor *t)
{
	int root;

	begin_coded(t, "int3", 3, 11);
	root = add_codes(t, STORE_INT, 3, 33, 11);
	t->node[root].scale = add_raw(t, 3, DTYPE_F16);
	t->node[root].zero = add_raw(t, 3, DTYPE_U8);
	t->node[root].part = tensor_part(t, DTYPE_U3, 33);
}

static inline void make_book(struct tensor *t)
{
	int root;

	begin_coded(t, "book", 2, 16);
	root = add_codes(t, STORE_BOOK, 2, 32, 8);
	t->node[root].book = calloc(4, sizeof(float));
	for (int i = 0; i < 4; i++)
		t->node[root].book[i] = (float)i / 3 - 0.5f;
	t->node[root].scale = add_raw(t, 4, DTYPE_F32);
	t->node[root].part = tensor_part(t, DTYPE_U2, 32);
}

static inline void make_gguf(struct tensor *t)
{
	begin_coded(t, "gguf", 1, 64);
	strcpy(t->node[tensor_node(t, STORE_GGUF, 64)].format, "q4_1");
	t->node[0].part = tensor_part(t, DTYPE_U8, 40);
}

static inline void make_plain(struct tensor *t, const char *name,
			      enum tensor_role role, enum dtype d, int rank,
			      size_t rows, size_t cols)
{
	size_t shape[] = { rows, cols };

	assert_int_equal(tensor_init(t, name, role, d, rank, shape), 0);
}

static inline void sample_tensor(struct tensor *t, size_t i)
{
	switch (i) {
	case 0:
		make_plain(t, "file/config.json", ROLE_BLOB, DTYPE_U8, 1, 21,
			   0);
		break;
	case 1:
		make_plain(t, "w", ROLE_LINEAR, DTYPE_BF16, 2, 16, 24);
		break;
	case 2:
		make_plain(t, "scalar", ROLE_STATE, DTYPE_F32, 0, 0, 0);
		break;
	case 3:
		make_plain(t, "none", ROLE_NONE, DTYPE_F32, 2, 0, 7);
		break;
	case 4:
		make_nf4(t);
		break;
	case 5:
		make_int3(t);
		break;
	case 6:
		make_book(t);
		break;
	default:
		make_gguf(t);
		break;
	}
	fill_parts(t);
}

/* A whole stream: metas, all tensors, a batch. */
static inline void put_stream(struct sink *s, enum stream_kind kind)
{
	json_t *meta = sample_meta();

	assert_int_equal(sink_head(s, kind), 0);
	assert_int_equal(sink_meta(s, "model", meta), 0);
	json_decref(meta);
	for (size_t i = 0; i < SAMPLE_TENSORS; i++) {
		struct tensor t;

		sample_tensor(&t, i);
		if (sink_tensor(s, &t))
			fail_msg("%s", err_text());
		tensor_release(&t);
	}
	assert_int_equal(sink_batch(s, &sample_batch), 0);
	assert_int_equal(sink_end(s, NULL), 0);
}

/* Everything read, and decoded or not: 0 if it is accepted. */
static inline int parse_how(char *path, int load)
{
	char *paths[] = { path, NULL };
	struct source *s;
	struct item item;
	int err = source_open(&s, paths);

	while (!err) {
		err = source_next(s, &item);
		if (!err && item.kind == ITEM_NONE)
			break;
		if (!err && item.kind == ITEM_TENSOR && load)
			err = source_load(s);
	}
	source_close(s);
	return err;
}

static inline int parse(char *path)
{
	return parse_how(path, 1);
}

#endif
