/* stored - random matrices in every storage there is */
#ifndef TESTS_STORED_H
#define TESTS_STORED_H

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "weight/gguf_blocks.h"

static uint32_t state = 7;

static uint32_t next(void)
{
	state = state * 1664525u + 1013904223u;
	return state >> 8;
}

static float noise(void)
{
	return (float)((int)next() - (1 << 23)) * 0x1p-23f;
}

/* Random bytes for codes, random numbers for the rest. */
static void fill(struct tensor_part *p)
{
	if (!dtype_is_float(p->dtype)) {
		for (size_t i = 0; i < p->bytes; i++)
			((unsigned char *)p->data)[i] = (unsigned char)next();
		return;
	}
	for (size_t i = 0; i < p->count; i++) {
		float x = noise();
		size_t size = dtype_bits(p->dtype) / 8;

		dtype_from_f32((char *)p->data + i * size, p->dtype, &x, 1);
	}
}

enum scale { PLAIN, HALF, NESTED };

struct stored {
	const char *format;
	enum storage_kind kind;
	enum dtype dtype;       /* raw: of the values; else of the codes */
	int bits;
	size_t block;
	enum scale scale;
	int zero, shift;
	const char *blocks;     /* gguf: the format */
};

static int add_raw(struct tensor *t, enum dtype d, size_t count)
{
	int node = tensor_node(t, STORE_RAW, count);

	t->node[node].part = tensor_part(t, d, count);
	t->node[node].dtype = d;
	return node;
}

static int add_scale(struct tensor *t, enum scale kind, size_t count)
{
	int node, offset;

	if (kind != NESTED)
		return add_raw(t, kind == HALF ? DTYPE_BF16 : DTYPE_F32, count);
	node = tensor_node(t, STORE_DYN8, count);
	t->node[node].block = 256;
	t->node[node].scale = add_raw(t, DTYPE_F32, size_ceil(count, 256));
	offset = tensor_node(t, STORE_CONST, size_ceil(count, 256));
	t->node[offset].value = (float)0.7;
	t->node[node].shift = offset;
	t->node[node].part = tensor_part(t, DTYPE_U8, count);
	return node;
}

static void make(struct tensor *t, const struct stored *s, size_t rows,
		 size_t cols)
{
	size_t shape[] = { rows, cols };
	struct storage *n = &t->node[0];

	assert_int_equal(tensor_init(t, "w", ROLE_LINEAR, DTYPE_F32, 2, shape),
			 0);
	t->npart = 0;
	n->kind = s->kind;
	n->bits = s->bits;
	n->block = s->block;
	if (s->block) {
		size_t groups = size_ceil(rows * cols, s->block);

		n->scale = add_scale(t, s->scale, groups);
		if (s->zero)
			n->zero = add_raw(t, DTYPE_U8, groups);
		if (s->shift == 1)
			n->shift = add_raw(t, DTYPE_F16, groups);
		if (s->shift == 2) { /* IR-QLoRA's */
			n->shift = add_scale(t, NESTED, groups);
			t->node[n->shift].shift = -1;
		}
	}
	if (s->kind == STORE_BOOK) {
		n->book = malloc(sizeof(*n->book) << s->bits);
		for (int i = 0; i < 1 << s->bits; i++)
			n->book[i] = noise();
	}
	if (s->blocks) {
		const struct gguf_block *b = gguf_block_named(s->blocks);

		strcpy(n->format, s->blocks);
		n->part = tensor_part(t, DTYPE_U8, rows * cols / b->count *
						   b->bytes);
	} else {
		n->part = tensor_part(t, s->dtype, rows * cols);
	}
	if (s->kind == STORE_RAW)
		t->dtype = n->dtype = s->dtype;
	assert_int_equal(tensor_alloc(t), 0);
	for (int i = 0; i < t->npart; i++)
		fill(&t->part[i]);
}

#define BLOCKS(name) \
	{ "code8", STORE_GGUF, DTYPE_U8, .blocks = name }

static const struct stored kinds[] = {
	{ "f32", STORE_RAW, DTYPE_F32 },
	{ "bf16", STORE_RAW, DTYPE_BF16 },
	{ "f16", STORE_RAW, DTYPE_F16 },
	{ "coded", STORE_RAW, DTYPE_F64 },
	{ "nf4", STORE_NF4, DTYPE_U4, 4, 64, PLAIN },
	{ "nf4", STORE_NF4, DTYPE_U4, 4, 64, NESTED },
	{ "nf4", STORE_NF4, DTYPE_U4, 4, 64, HALF },
	{ "nf4", STORE_NF4, DTYPE_U4, 4, 32, NESTED },
	{ "nf4", STORE_NF4, DTYPE_U4, 4, 256, NESTED },
	{ "nf4", STORE_NF4, DTYPE_U4, 4, 64, NESTED, 0, 1 },
	{ "nf4", STORE_NF4, DTYPE_U4, 4, 64, NESTED, 0, 2 },
	{ "nf4", STORE_NF4, DTYPE_U4, 4, 32, PLAIN, 0, 2 },
	{ "nf4", STORE_NF4, DTYPE_U4, 4, 128, PLAIN, 0, 2 },
	{ "nf4", STORE_NF4, DTYPE_U4, 4, 48, PLAIN },
	{ "fp4", STORE_FP4, DTYPE_U4, 4, 64, PLAIN },
	{ "coded", STORE_DYN8, DTYPE_U8, 8, 256, PLAIN },
	{ "book4", STORE_BOOK, DTYPE_U4, 4, 32, HALF },
	{ "book4", STORE_BOOK, DTYPE_U4, 4, 64, NESTED, 1, 1 },
	{ "coded", STORE_BOOK, DTYPE_U3, 3, 128, PLAIN },
	{ "coded", STORE_BOOK, DTYPE_U8, 8, 64, PLAIN },
	{ "code8", STORE_INT, DTYPE_U4, 4, 32, HALF, 1 },
	{ "code8", STORE_INT, DTYPE_U3, 3, 40, PLAIN, 1, 1 },
	{ "code8", STORE_INT, DTYPE_U2, 2, 64, PLAIN },
	{ "code8", STORE_INT, DTYPE_U8, 8, 128, HALF, 1 },
	BLOCKS("q4_0"), BLOCKS("q4_1"), BLOCKS("q5_0"), BLOCKS("q5_1"),
	BLOCKS("q8_0"), BLOCKS("iq4_nl"), BLOCKS("q2_k"), BLOCKS("q3_k"),
	BLOCKS("q4_k"), BLOCKS("q5_k"), BLOCKS("q6_k"),
};

static const size_t shapes[][2] = {
	{ 1, 1 }, { 30, 64 }, { 25, 192 }, { 200, 96 }, { 64, 50 },
	{ 33, 576 }, { 231, 203 }, { 0, 64 }, { 5, 0 }, { 53, 3136 },
	{ 40, 1024 }, { 64, 300 },
};

/* Can rows x cols be stored so? */
static int fits(const struct stored *s, const size_t *shape)
{
	return !s->blocks ||
	       shape[0] * shape[1] % gguf_block_named(s->blocks)->count == 0;
}

#endif
