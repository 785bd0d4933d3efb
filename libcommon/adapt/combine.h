/*
 * combine - one adapter of several, as PEFT's add_weighted_adapter
 *
 * The result's scale is 1 (alpha is the rank). With weights w_i and scales s_i:
 *
 *   cat     A = the w_i s_i A_i below each other, B = the B_i side by side: the
 *           exact sum; the rank is the sum of ranks
 *   svd     the best approximation of that sum of a given rank
 *   linear  A = sum sign(w_i) sqrt(|w_i s_i|) A_i, B = sum sqrt(|w_i s_i|) B_i:
 *           ranks must agree; has cross terms B_i A_k, and is no sum
 *
 * A module that not all have gets what those give that have it. The result is
 * LoRA, or, where it may be, QA-LoRA if all are, with the same groups and
 * pooling.
 */
#ifndef ADAPT_COMBINE_H
#define ADAPT_COMBINE_H

#include "adapt/spec.h"

enum combine_how { COMBINE_CAT, COMBINE_SVD, COMBINE_LINEAR };

struct combine {
	const struct adapter_set *from;         /* n sets, placed and filled */
	const struct adapter_sites *sites;      /* n */
	const double *weight;                   /* n */
	size_t n;
	enum combine_how how;
	size_t rank;            /* of svd; 0: the largest of the inputs' */
	int lora;               /* the result is LoRA, whatever they are */
};

/* to: empty; the caller's to release also after a failure. E_CONFIG: adapters
 * that cannot be combined so, and what can. */
int combine(struct adapter_set *to, const struct combine *c) MUST_CHECK;

#endif
