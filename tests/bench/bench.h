/*
 * bench - what the benchmarks share: memory, matrices out of noise
 *
 * For programs of one file each: all is static.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "base/par.h"
#include "base/size.h"
#include "tensor/tensor.h"
#include "tests/bench/peak.h"
#include "weight/gguf_blocks.h"

static inline void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, err_text());
	exit(1);
}

static inline void *room(size_t bytes)
{
	void *p = os_pages(bytes + 64);

	return p ? p : (fail("memory"), NULL);
}

static unsigned noise_state = 1;

static inline float noise(void)
{
	noise_state = noise_state * 1664525u + 1013904223u;
	return (float)(int)noise_state * 0x1p-31f;
}

static inline int nested_scales(struct tensor *t, size_t groups)
{
	int s = tensor_node(t, STORE_DYN8, groups), f, o;

	t->node[s].block = 256;
	f = tensor_node(t, STORE_RAW, size_ceil(groups, 256));
	t->node[f].part = tensor_part(t, DTYPE_F32, size_ceil(groups, 256));
	o = tensor_node(t, STORE_CONST, size_ceil(groups, 256));
	t->node[o].value = 0.5;
	t->node[s].scale = f;
	t->node[s].shift = o;
	t->node[s].part = tensor_part(t, DTYPE_U8, groups);
	return s;
}

/* Noise in every byte; floats times scale. */
static inline void fill_part(struct tensor_part *p, float scale)
{
	size_t size = dtype_bits(p->dtype) / 8;
	float x;

	for (size_t b = 0; !dtype_is_float(p->dtype) && b < p->bytes; b++)
		((unsigned char *)p->data)[b] = (unsigned char)
			((noise_state = noise_state * 1664525u + 1013904223u) >>
			 24);
	for (size_t e = 0; dtype_is_float(p->dtype) && e < p->count; e++) {
		x = scale * noise();
		dtype_from_f32((char *)p->data + e * size, p->dtype, &x, 1);
	}
}

/* "q4_k": blocks; "int4": with scales and zeros in groups of 128; else NF4. */
static inline void make_coded(struct tensor *t, const char *kind)
{
	const struct gguf_block *b = gguf_block_named(kind);
	static const enum dtype code[] = { [2] = DTYPE_U2, [3] = DTYPE_U3,
					   [4] = DTYPE_U4, [8] = DTYPE_U8 };
	struct storage *s = &t->node[0];
	int bits = strncmp(kind, "int", 3) ? 4 : kind[3] - '0';
	size_t groups;

	t->npart = 0;
	s->kind = b ? STORE_GGUF : bits != 4 || *kind == 'i' ? STORE_INT :
		      STORE_NF4;
	if (b) {
		snprintf(s->format, sizeof(s->format), "%s", kind);
		s->part = tensor_part(t, DTYPE_U8, t->count / b->count *
						   b->bytes);
		return;
	}
	s->block = s->kind == STORE_INT ? 128 : 64;
	s->bits = bits;
	groups = size_ceil(t->count, s->block);
	if (s->kind == STORE_INT) {
		s->scale = tensor_node(t, STORE_RAW, groups);
		t->node[s->scale].part = tensor_part(t, DTYPE_F32, groups);
		s->zero = tensor_node(t, STORE_RAW, groups);
		t->node[s->zero].part = tensor_part(t, DTYPE_F32, groups);
	} else {
		s->scale = nested_scales(t, groups);
	}
	s->part = tensor_part(t, code[bits], t->count);
}

/* A matrix of kind "nf4" (double quantised), of blocks, of integers or of a
 * float type. */
static inline void make(struct tensor *t, const char *name, enum tensor_role r,
			const char *kind, size_t rows, size_t cols)
{
	size_t shape[] = { rows, cols };
	enum dtype d = dtype_find(kind);

	if (tensor_init(t, name, r, d ? d : DTYPE_F32, 2, shape))
		fail("tensor");
	if (!d)
		make_coded(t, kind);
	if (tensor_alloc(t))
		fail("tensor");
	for (int i = 0; i < t->npart; i++)
		fill_part(&t->part[i], 1);
}

#endif
