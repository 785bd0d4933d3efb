/*
 * lowrank - what kinds share whose update is s A' then B', with factors that
 * are made from their parameters when a product packs them
 *
 *     h = s drop(x) A'^T,  y += h B'^T        A' (r, in), B' (out, r)
 *
 * keep is h (n, r); backward turns it, in place, into dh = s dy B'.
 */
#ifndef ADAPT_LOWRANK_H
#define ADAPT_LOWRANK_H

#include "adapt/adapt.h"

struct lowrank_factor {
	gemm_pack_fn *pack;
	const void *w;
};

struct lowrank {
	struct lowrank_factor a, b;
};

/* E_CONFIG: rank or dropout is out of range, or an embedding. Sets rank, alpha,
 * scale, dropout. name: the method's, for messages. */
int lowrank_shape(struct adapter *a, const struct adapter_options *o,
		  const char *name) MUST_CHECK;

/* Parameter i uniform within +-bound, from the seed and its name. */
void lowrank_uniform(struct adapter *a, size_t i, float bound, uint64_t seed);

/* keep's first rank columns. */
struct mat lowrank_kept(const struct adapter *a, const struct adapt_pass *p,
			size_t n);

/* h = s x M, M a factor: at once, or, with early set, when the product to come
 * is done. */
void lowrank_scaled(const struct adapter *a, const struct adapt_pass *p,
		    struct mat h, struct mat x, struct lowrank_factor f,
		    enum gemm_use use, int early);

/* Adds the term x M to a product's output. */
void lowrank_term(struct gemm_output *o, struct mat x, struct lowrank_factor f,
		  enum gemm_use use);

void lowrank_forward(const struct adapter *a, const struct adapt_pass *p,
		     struct mat x, struct gemm_output *y,
		     const struct lowrank *f);

/*
 * dB' += dy^T h into db (out, r), dh, and dx's term dh A' where there is no
 * dropout. Nonzero: dh is there, and with it A's gradient can be had; else it
 * can be had from finish() on.
 */
int lowrank_backward(const struct adapter *a, const struct adapt_pass *p,
		     struct mat dy, struct mat x, struct gemm_output *dx,
		     const struct lowrank *f, float *db);

/* dx += dh A' through the mask, if there is one. Nonzero: A's gradient was to
 * wait for this. */
int lowrank_finish(const struct adapter *a, const struct adapt_pass *p,
		   struct mat dx, const struct lowrank *f);

/* dst (n, in) += scale B A', with b (n, r) rows of s B'. On the calling
 * thread. E_NOMEM. */
int lowrank_merge(const struct adapter *a, const float *b, float scale,
		  float *dst, size_t n, struct lowrank_factor f) MUST_CHECK;

const char *lowrank_peft_name(const struct adapter *a, size_t i);

#endif
