#include "kernel/attention.h"

#include "base/size.h"
#include "kernel/table.h"

#include <assert.h>
#include <string.h>

static size_t task_queries(size_t heads, size_t kv_heads)
{
	return size_max(ATTENTION_ROWS / (heads / kv_heads), 1);
}

/* Of these the variants cut what they need: five tiles of keys and of queries,
 * a task's queries and outputs, two tiles of scores, and vectors. */
size_t attention_scratch(size_t heads, size_t kv_heads, size_t head_dim)
{
	size_t d = size_align(head_dim, ATTENTION_PAD);
	size_t rows = task_queries(heads, kv_heads) * (heads / kv_heads);

	rows = size_align(rows + ATTENTION_PAD, ATTENTION_PAD);
	return d * (5 * ATTENTION_TILE + 2 * rows) +
	       2 * ATTENTION_TILE * ATTENTION_TILE + 4 * rows;
}

static size_t lane_bytes(size_t heads, size_t kv_heads, size_t head_dim)
{
	return size_align(sizeof(float) *
			  attention_scratch(heads, kv_heads, head_dim), 64);
}

size_t attention_space(const struct pool *pool, size_t heads, size_t kv_heads,
		       size_t head_dim, size_t tokens, int train)
{
	size_t share = size_align(tokens * heads * head_dim * sizeof(float),
				  64);

	return pool_lanes(pool) * lane_bytes(heads, kv_heads, head_dim) +
	       (train ? 2 * share : 0);
}

size_t attention_past_floats(size_t tokens, size_t cols)
{
	return size_align(tokens, ATTENTION_TILE) * cols;
}

/* Rows that lie in one tile. */
static void put_tile(float *k, float *v, size_t at, size_t cols,
		     size_t head_dim, const struct attention_rows *r)
{
	size_t together = r->kstride == cols ? r->n : 1;

	for (size_t i = 0; i < r->n; i += together)
		kernels()->transpose(k + at + i, ATTENTION_TILE,
				     r->k + i * r->kstride, together, cols);
	for (size_t i = 0; i < r->n; i++)
		for (size_t j = 0; j < cols; j += head_dim)
			memcpy(v + j * ATTENTION_TILE + (at + i) * head_dim,
			       r->v + i * r->vstride + j,
			       head_dim * sizeof(*v));
}

void attention_past_put(float *k, float *v, size_t at, size_t cols,
			size_t head_dim, const struct attention_rows *rows)
{
	struct attention_rows r = *rows;

	for (size_t left = rows->n; left; left -= r.n, at += r.n) {
		size_t tile = at / ATTENTION_TILE * ATTENTION_TILE;

		r.n = size_min(left, tile + ATTENTION_TILE - at);
		put_tile(k + tile * cols, v + tile * cols, at - tile, cols,
			 head_dim, &r);
		r.k += r.n * r.kstride;
		r.v += r.n * r.vstride;
	}
}

struct attention_tile attention_tile(const struct attention *a,
				     const struct attention_task *t, size_t at)
{
	size_t d = a->head_dim, head = t->kv_head * d;
	size_t row = a->start[t->seq] + at;

	if (a->past) {
		const struct attention_past *past = &a->past[t->seq];
		size_t first = (at * a->kv_heads + t->kv_head *
				ATTENTION_TILE) * d;

		return (struct attention_tile){ past->k + first,
						past->v + first,
						1, ATTENTION_TILE, d };
	}
	return (struct attention_tile){ a->k + row * a->kstride + head,
					a->v + row * a->vstride + head,
					a->kstride, 1, a->vstride };
}

size_t attention_at(const struct attention *a, const struct attention_task *t)
{
	size_t count = a->start[t->seq + 1] - a->start[t->seq];

	return t->first + (a->past ? a->past[t->seq].len - count : 0);
}

struct job {
	const struct attention *a;
	const struct attention_grad *g;
	const struct kernels *k;
	unsigned char *space;
	size_t lane_bytes;
	size_t queries, tiles;  /* of a task; tasks of the longest sequence */
	float *dk, *dv;
};

static size_t count_of(const struct attention *a, size_t seq)
{
	return a->start[seq + 1] - a->start[seq];
}

static size_t longest(const struct attention *a)
{
	size_t most = 0;

	for (size_t i = 0; i < a->nseq; i++)
		most = size_max(most, count_of(a, i));
	return most;
}

/* The last queries first: they see the most keys. */
static void forward_task(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;
	const struct attention *a = j->a;
	size_t tile = j->tiles - 1 - task % j->tiles;
	size_t head = task / j->tiles;
	struct attention_task t = { .seq = head / a->kv_heads,
				    .kv_head = head % a->kv_heads,
				    .first = tile * j->queries };
	size_t count = count_of(a, t.seq);

	if (t.first >= count)
		return;
	t.count = size_min(j->queries, count - t.first);
	j->k->attend(a, &t, (float *)(j->space + lane * j->lane_bytes));
}

void attention_forward(struct pool *pool, void *space,
		       const struct attention *a)
{
	struct job j = {
		.a = a,
		.k = kernels(),
		.space = space,
		.lane_bytes = lane_bytes(a->heads, a->kv_heads, a->head_dim),
		.queries = task_queries(a->heads, a->kv_heads),
	};

	j.tiles = size_ceil(longest(a), j.queries);
	pool_run(pool, a->nseq * a->kv_heads * j.tiles, forward_task, &j);
}

static void backward_task(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;

	j->k->attend_backward(j->a, j->g, task / j->a->heads,
			      task % j->a->heads, j->dk, j->dv,
			      (float *)(j->space + lane * j->lane_bytes));
}

/* dst (kv_heads, head_dim) = sums of the shares (heads, head_dim). */
static void add_heads(const struct job *j, float *dst, const float *share)
{
	const struct attention *a = j->a;
	size_t group = a->heads / a->kv_heads, d = a->head_dim;

	for (size_t h = 0; h < a->heads; h++, share += d) {
		float *head = dst + h / group * d;

		if (h % group == 0)
			memcpy(head, share, d * sizeof(*head));
		else
			j->k->vadd(head, head, share, d);
	}
}

enum { ADD_ROWS = 32 };

static void add_task(void *ctx, size_t task, size_t lane)
{
	const struct job *j = ctx;
	const struct attention *a = j->a;
	size_t n = a->start[a->nseq], wide = a->heads * a->head_dim;
	size_t end = size_min((task + 1) * ADD_ROWS, n);

	(void)lane;
	for (size_t i = task * ADD_ROWS; i < end; i++) {
		add_heads(j, j->g->dk + i * j->g->dkstride, j->dk + i * wide);
		add_heads(j, j->g->dv + i * j->g->dvstride, j->dv + i * wide);
	}
}

void attention_backward(struct pool *pool, void *space,
			const struct attention *a,
			const struct attention_grad *g)
{
	size_t n = a->start[a->nseq];
	size_t share = size_align(n * a->heads * a->head_dim * sizeof(float),
				  64);
	struct job j = {
		.a = a,
		.g = g,
		.k = kernels(),
		.lane_bytes = lane_bytes(a->heads, a->kv_heads, a->head_dim),
		.dk = space,
		.dv = (float *)((unsigned char *)space + share),
		.space = (unsigned char *)space + 2 * share,
	};

	assert(!a->past);
	pool_run(pool, a->nseq * a->heads, backward_task, &j);
	pool_run(pool, size_ceil(n, ADD_ROWS), add_task, &j);
}
