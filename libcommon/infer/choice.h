/*
 * choice - which of several continuations a model finds likeliest
 *
 * As lm-evaluation-harness does it: a continuation's tokens are the tail of
 * the tokens of context and continuation together, split at the number of
 * tokens of the context alone; its score is the sum of their log-likelihoods.
 * What the choices have in common is computed once.
 */
#ifndef INFER_CHOICE_H
#define INFER_CHOICE_H

#include "infer/score.h"

enum { CHOICES = SCORER_ROWS };

struct choice_sequence {
	const uint32_t *id;     /* context and continuation */
	size_t n;
};

struct choice_score {
	double loglik;          /* nats */
	size_t tokens;          /* of the continuation */
	int greedy;             /* would greedy decoding have written it? */
};

/* context: tokens of the context alone, at least 1 and less than every
 * sequence's. E_DATA: they are not, or do not fit the scorer's cache, which
 * needs n + 1 slots. */
int choice_scores(struct scorer *s, const struct choice_sequence *seq,
		  size_t n, size_t context,
		  struct choice_score *score) MUST_CHECK;

#endif
