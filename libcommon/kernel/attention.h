/*
 * attention - causal attention over packed sequences, tiled, both directions
 *
 * out_i = sum_j softmax_j(c(scale q_i . k_j)) v_j over the keys j <= i of the
 * same sequence that lie in the window, c(s) = softcap tanh(s / softcap) or s.
 * Query head h reads key head h / (heads / kv_heads). Memory is linear in the
 * length: forward keeps the log-sum-exp of each (token, head), from which
 * backward recomputes the probabilities (Dao et al. 2022, arXiv:2205.14135;
 * Dao 2023, arXiv:2307.08691, algorithms 1 and 2).
 *
 * Bits. Keys are taken in tiles of ATTENTION_TILE from the sequence's first;
 * a row sees of a tile the keys j with lo <= j < hi and no others. Per tile
 *   s_j   one chain of fma over the head's elements from 0, times scale
 *   m'    max(m, all s_j);  c = exp(m - m');  p_j = exp(s_j - m')
 *   l     fma(l, c, sum p_j), the sum as in kernel/lanes.h, lane j mod 16
 *   o     fma(o, c, 0), then one chain of fma over j upward
 * and at the end out = o (1 / l), lse = m + log(l). Nothing depends on the
 * number of queries in the call, of sequences, or of threads: so packed equals
 * single, and a cache continued equals one pass, bit for bit. Backward:
 *   p_ij  exp(s_ij - lse_i);  dp_ij = chain of fma over do_i v_j
 *   ds_ij p_ij (dp_ij - sum_d do_id out_id) scale (times 1 - (s/softcap)^2)
 *   dq_i, dk_j, dv_j  chains of fma from 0, over j, i, i upward; dk and dv of
 *   each query head apart, and then added in the order of the heads.
 * Operands are finite; a product that is not zero is not below 2^-126.
 */
#ifndef KERNEL_ATTENTION_H
#define KERNEL_ATTENTION_H

#include "base/par.h"

#include <stddef.h>

enum { ATTENTION_TILE = 64 };   /* part of the definition */

/*
 * Keys and values of a sequence that lie apart from its queries, kept in tiles
 * as the products want them:
 *   k     in   (tiles, kv_heads, head_dim, ATTENTION_TILE)  turned
 *   v     in   (tiles, kv_heads, ATTENTION_TILE, head_dim)
 * of len tokens, the last of which belong to the queries of the call. What the
 * last tile has behind them is finite.
 */
struct attention_past {
	const float *k, *v;
	size_t len;
};

/* Floats of k, and of v, with room for so many tokens of cols = kv_heads x
 * head_dim elements. */
size_t attention_past_floats(size_t tokens, size_t cols);

/* Rows of n tokens, (n, cols) with these strides, are put into the tiles k and
 * v from token at on. */
struct attention_rows {
	const float *k, *v;
	size_t kstride, vstride, n;
};
void attention_past_put(float *k, float *v, size_t at, size_t cols,
			size_t head_dim, const struct attention_rows *rows);

/*
 *   q     in   (n, heads, head_dim)     n = start[nseq]
 *   k, v  in   (n, kv_heads, head_dim)
 *   out   out  (n, heads, head_dim)
 *   lse   out  (n, heads)
 *
 * Strides are floats from a token to the next; heads of a token lie together.
 * With past, sequence i's keys and values are past[i], and k and v are not
 * read. start[0] is 0.
 */
struct attention {
	size_t heads, kv_heads; /* heads is a multiple of kv_heads */
	size_t head_dim;
	size_t window;          /* a query sees itself and window - 1 before;
				 * 0: all before */
	float scale;
	float softcap;          /* 0: none */
	size_t nseq;
	const size_t *start;    /* (nseq + 1) first token of each */
	const struct attention_past *past; /* (nseq), or NULL */
	const float *q, *k, *v;
	float *out, *lse;
	size_t qstride, kstride, vstride, ostride;
};

/* dout (n, heads, head_dim) in; dq like q, dk and dv like k and v, out,
 * overwritten. None may overlap. */
struct attention_grad {
	const float *dout;
	float *dq, *dk, *dv;
	size_t dostride, dqstride, dkstride, dvstride;
};

/* Bytes of work space for calls with these heads and at most so many tokens;
 * train: for backward too. 64-byte aligned. */
size_t attention_space(const struct pool *pool, size_t heads,
		       size_t kv_heads, size_t head_dim, size_t tokens,
		       int train);

/* out may not overlap q, k or v. */
void attention_forward(struct pool *pool, void *space,
		       const struct attention *a);

/* After forward with the same a, whose past is NULL; reads out and lse. */
void attention_backward(struct pool *pool, void *space,
			const struct attention *a,
			const struct attention_grad *g);

/* ---- the inner functions, chosen in kernel/table.h ---- */

enum {
	ATTENTION_ROWS = 96,    /* at most so many (query, head) rows in a
				 * task, unless one query has more */
	ATTENTION_PAD = 16,     /* scratch's rows are padded to this */
};

/* One task: queries [first, first + count) of sequence seq (counted from the
 * call's first of it), for the query heads of one key head. scratch: of this
 * thread's own, attention_scratch() floats, 64-byte aligned. */
struct attention_task {
	size_t seq, kv_head, first, count;
};

size_t attention_scratch(size_t heads, size_t kv_heads, size_t head_dim);
typedef void attend_fn(const struct attention *a,
		       const struct attention_task *t, float *scratch);
attend_fn attend_c, attend_avx2, attend_avx512;

/* One sequence and query head: dq, and this head's shares of dk and dv, (n,
 * heads, head_dim) both, overwritten for the sequence's tokens. */
typedef void attend_backward_fn(const struct attention *a,
				const struct attention_grad *g, size_t seq,
				size_t head, float *dk, float *dv,
				float *scratch);
attend_backward_fn attend_backward_c, attend_backward_avx2,
	attend_backward_avx512;

/* A key head's keys and values of a tile, and floats from a key to the next,
 * from an element of a key to the next, and from a value to the next. */
struct attention_tile {
	const float *k, *v;
	size_t key, element, value;
};

/* The tile that starts at key at of the sequence. */
struct attention_tile attention_tile(const struct attention *a,
				     const struct attention_task *t, size_t at);

/* The task's first query, counted from the sequence's first key. */
size_t attention_at(const struct attention *a, const struct attention_task *t);

/* The keys that query i of a sequence (counted from its first key) sees:
 * [attention_first(), i]. */
static inline size_t attention_first(const struct attention *a, size_t i)
{
	return a->window && i >= a->window ? i - a->window + 1 : 0;
}

#endif
