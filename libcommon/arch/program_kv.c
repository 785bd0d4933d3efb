#include "arch/program_parts.h"
#include "base/size.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* For each attend, keys and then values: of each sequence, tiles as
 * kernel/attention.h has them. */
struct kv_cache {
	size_t sequences, tokens, ncache;
	size_t *cols, *dim;             /* (ncache) of a token, of a head */
	float **at;                     /* (ncache) */
	size_t *len;                    /* (sequences) */
	struct op_rope_table table[PROGRAM_TABLES];
	struct arena arena;
	const struct program_pass *pass;
};

static const struct op_node *attend_of(const struct program *p, size_t cache)
{
	size_t i = 0;

	while (p->node[i].op.op != &op_attend || p->node[i].op.cache != cache)
		i++;
	return &p->node[i].op;
}

static size_t cols_of(const struct program *p, size_t cache)
{
	return attend_of(p, cache)->in_cols[1];
}

/* 1: too large for the machine. */
static int floats_of(size_t *n, size_t sequences, size_t tokens, size_t cols)
{
	return size_mul(n, sequences, size_align(tokens, ATTENTION_TILE)) ||
	       size_mul(n, *n, cols) ||
	       size_mul(n, *n, 2) || *n > SIZE_MAX / 64;
}

static int total_of(size_t *total, const struct program *p, size_t sequences,
		    size_t tokens)
{
	*total = 0;
	if (sequences > SIZE_MAX / 64 || tokens > SIZE_MAX >> 24)
		return 1;
	for (size_t i = 0; i < p->ncache; i++) {
		size_t n;

		if (floats_of(&n, sequences, tokens, cols_of(p, i)) ||
		    n > SIZE_MAX / 64 - *total)
			return 1;
		arena_plan(total, n * sizeof(float));
	}
	arena_plan(total, angles_bytes(p, tokens));
	arena_plan(total, p->ncache * sizeof(size_t));
	arena_plan(total, p->ncache * sizeof(size_t));
	arena_plan(total, p->ncache * sizeof(float *));
	arena_plan(total, sequences * sizeof(size_t));
	return 0;
}

size_t kv_cache_bytes(const struct program *p, size_t sequences,
		      size_t tokens)
{
	size_t total;

	return total_of(&total, p, sequences, tokens) ? SIZE_MAX : total;
}

int kv_cache_new(struct kv_cache **to, const struct program *p,
		 size_t sequences, size_t tokens)
{
	struct kv_cache *kv = calloc(1, sizeof(*kv));
	size_t total;
	int err;

	*to = NULL;
	if (!kv)
		return err_set(E_NOMEM, "out of memory");
	err = total_of(&total, p, sequences, tokens)
		? err_set(E_NOMEM, "a cache of %zu x %zu tokens does not fit "
			  "any memory", sequences, tokens)
		: arena_init(&kv->arena, total);
	if (err) {
		kv_cache_free(kv);
		return err;
	}
	kv->sequences = sequences;
	kv->tokens = tokens;
	kv->ncache = p->ncache;
	kv->cols = arena_get(&kv->arena, p->ncache * sizeof(*kv->cols));
	kv->dim = arena_get(&kv->arena, p->ncache * sizeof(*kv->dim));
	kv->at = arena_get(&kv->arena, p->ncache * sizeof(*kv->at));
	kv->len = arena_get(&kv->arena, sequences * sizeof(*kv->len));
	for (size_t i = 0; i < p->ncache; i++) {
		kv->cols[i] = cols_of(p, i);
		kv->dim[i] = (size_t)attend_of(p, i)->number[0];
		kv->at[i] = arena_get(&kv->arena, 2 * sequences *
				      attention_past_floats(tokens,
							    kv->cols[i]) *
				      sizeof(float));
	}
	angles_fill(p, kv->table,
		    arena_get(&kv->arena, angles_bytes(p, tokens)), tokens);
	*to = kv;
	return 0;
}

void kv_cache_free(struct kv_cache *kv)
{
	if (!kv)
		return;
	arena_release(&kv->arena);
	free(kv);
}

size_t kv_cache_len(const struct kv_cache *kv, size_t sequence)
{
	return kv->len[sequence];
}

void kv_cache_truncate(struct kv_cache *kv, size_t sequence, size_t len)
{
	assert(len <= kv->len[sequence]);
	kv->len[sequence] = len;
}

static float *keys_of(const struct kv_cache *kv, size_t cache, size_t sequence)
{
	return kv->at[cache] + sequence * attention_past_floats(
					kv->tokens, kv->cols[cache]);
}

static float *values_of(const struct kv_cache *kv, size_t cache,
			size_t sequence)
{
	return keys_of(kv, cache, kv->sequences + sequence);
}

void kv_cache_fork(struct kv_cache *kv, size_t to, size_t from, size_t len)
{
	assert(len <= kv->len[from] && to != from);
	for (size_t i = 0; i < kv->ncache; i++) {
		size_t bytes = attention_past_floats(len, kv->cols[i]) *
			       sizeof(float);

		memcpy(keys_of(kv, i, to), keys_of(kv, i, from), bytes);
		memcpy(values_of(kv, i, to), values_of(kv, i, from), bytes);
	}
	kv->len[to] = len;
}

/* ---- for program_run.c ---- */

struct op_rope_table *kv_tables(struct kv_cache *kv)
{
	return kv->table;
}

static size_t added(const struct batch *b, size_t sequence)
{
	return b->start[sequence + 1] - b->start[sequence];
}

/* Positions go on where each sequence stands. */
void kv_begin(struct kv_cache *kv, const struct program_pass *pass,
	      uint32_t *pos)
{
	const struct batch *b = pass->batch;

	kv->pass = pass;
	for (size_t i = 0; i < b->nseq; i++) {
		size_t slot = pass->slot[i], len = kv->len[slot];

		assert(slot < kv->sequences &&
		       added(b, i) <= kv->tokens - len);
		for (size_t t = b->start[i]; t < b->start[i + 1]; t++)
			pos[t] = (uint32_t)len++;
	}
}

void kv_end(struct kv_cache *kv, const struct program_pass *pass)
{
	for (size_t i = 0; i < pass->batch->nseq; i++)
		kv->len[pass->slot[i]] += added(pass->batch, i);
}

void kv_append(void *ctx, size_t cache, struct mat k, struct mat v,
	       struct attention_past *past)
{
	struct kv_cache *kv = ctx;
	const struct batch *b = kv->pass->batch;

	for (size_t i = 0; i < b->nseq; i++) {
		size_t slot = kv->pass->slot[i], len = kv->len[slot];
		float *keys = keys_of(kv, cache, slot);
		float *values = values_of(kv, cache, slot);
		struct attention_rows rows = {
			mat_row(k, b->start[i]), mat_row(v, b->start[i]),
			k.stride, v.stride, added(b, i)
		};

		attention_past_put(keys, values, len, k.cols, kv->dim[cache],
				   &rows);
		past[i] = (struct attention_past){ keys, values, len + rows.n };
	}
}
