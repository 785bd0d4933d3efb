/* attention.h - cases of attention, for its tests */
#include "kernel/attention.h"

#include "base/size.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { GUARD = 16 };

/* A case, its arrays in one block with guard words between them. */
struct fixture {
	struct attention a;
	struct attention_grad g;
	size_t start[8], n, size;
	float *block, *used;
	void *space;
};

static uint64_t state;

static float uniform(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (float)((double)(state >> 11) * 0x1p-52 - 1);
}

static float *take(struct fixture *f, size_t rows, size_t stride)
{
	float *at = f->used;

	f->used += rows * stride + GUARD;
	for (size_t i = 0; i < rows * stride; i++)
		at[i] = uniform();
	for (size_t i = 0; i < GUARD; i++)
		at[rows * stride + i] = 1234.5f;
	return at;
}

static void fixture_init(struct fixture *f, struct attention a,
			 const size_t *len, size_t nseq)
{
	size_t q = a.heads * a.head_dim, kv = a.kv_heads * a.head_dim;

	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < nseq; i++)
		f->start[i + 1] = f->start[i] + len[i];
	f->n = f->start[nseq];
	f->size = f->n * (5 * (q + 8) + 4 * (kv + 8) + a.heads) + 12 * GUARD;
	f->used = f->block = calloc(f->size, sizeof(float));
	assert_non_null(f->block);
	a.nseq = nseq;
	a.start = f->start;
	a.qstride = q + 3;
	a.kstride = kv + 5;
	a.vstride = kv + 1;
	a.ostride = q + 7;
	a.q = take(f, f->n, a.qstride);
	a.k = take(f, f->n, a.kstride);
	a.v = take(f, f->n, a.vstride);
	a.out = take(f, f->n, a.ostride);
	a.lse = take(f, f->n, a.heads);
	f->g.dostride = q + 2;
	f->g.dqstride = q + 1;
	f->g.dkstride = kv + 2;
	f->g.dvstride = kv + 4;
	f->g.dout = take(f, f->n, f->g.dostride);
	f->g.dq = take(f, f->n, f->g.dqstride);
	f->g.dk = take(f, f->n, f->g.dkstride);
	f->g.dv = take(f, f->n, f->g.dvstride);
	f->a = a;
	f->space = aligned_alloc(64, attention_space(NULL, a.heads, a.kv_heads,
						     a.head_dim, f->n, 1));
	assert_non_null(f->space);
}

static void fixture_release(struct fixture *f)
{
	free(f->block);
	free(f->space);
}

static const size_t lens[] = { 1, 70, 7, 0, 129 };

/* clang-format off */
static const struct attention cases[] = {
	{ .heads = 2, .kv_heads = 2, .head_dim = 8, .scale = 0.35f },
	{ .heads = 9, .kv_heads = 3, .head_dim = 16, .scale = 0.25f },
	{ .heads = 3, .kv_heads = 1, .head_dim = 64, .scale = 0.125f },
	{ .heads = 4, .kv_heads = 2, .head_dim = 13, .scale = 0.3f,
	  .window = 5 },
	{ .heads = 2, .kv_heads = 1, .head_dim = 33, .scale = 0.3f,
	  .window = 66, .softcap = 2 },
	{ .heads = 7, .kv_heads = 1, .head_dim = 80, .scale = 0.1f,
	  .window = 64 },
	{ .heads = 1, .kv_heads = 1, .head_dim = 130, .scale = 0.7f,
	  .softcap = 5 },
};
/* clang-format on */

static int reset(void **unused)
{
	(void)unused;
	state = 88172645463325252;
	return 0;
}
