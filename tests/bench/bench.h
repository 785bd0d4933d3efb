/*
 * bench - what the benchmarks share: memory, matrices out of noise
 *
 * For programs of one file each: all is static.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdio.h>
#include <stdlib.h>

#include "base/os.h"
#include "base/par.h"
#include "base/size.h"
#include "tensor/tensor.h"
#include "tests/bench/peak.h"

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

/* A matrix of kind "nf4" (double quantised) or of a float type. */
static inline void make(struct tensor *t, const char *name, enum tensor_role r,
			const char *kind, size_t rows, size_t cols)
{
	size_t shape[] = { rows, cols };
	enum dtype d = dtype_find(kind);

	if (tensor_init(t, name, r, d ? d : DTYPE_F32, 2, shape))
		fail("tensor");
	if (!d) {
		t->npart = 0;
		t->node[0].kind = STORE_NF4;
		t->node[0].block = 64;
		t->node[0].scale = nested_scales(t, size_ceil(rows * cols,
							      64));
		t->node[0].part = tensor_part(t, DTYPE_U4, rows * cols);
	}
	if (tensor_alloc(t))
		fail("tensor");
	for (int i = 0; i < t->npart; i++)
		fill_part(&t->part[i], 1);
}

#endif
