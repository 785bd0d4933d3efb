/*
 * score - how likely a model finds given tokens
 *
 * The negative log-likelihood of a token given those before it, in nats, from
 * logits that are computed only where they are asked for.
 */
#ifndef INFER_SCORE_H
#define INFER_SCORE_H

#include "infer/feed.h"

struct scorer;

/* Without virtual tokens, which have room beside. */
struct scorer_need {
	size_t tokens, sequences;       /* of a batch, at most */
	size_t cache_tokens;            /* of a cached sequence; 0: no cache */
	size_t slots;                   /* cached sequences */
	uint64_t memory;                /* to fit into; 0: what is free */
};

/* Plans the program for inference, until scorer_free(), and owns its buffers.
 * E_NOMEM, also before anything is taken: what need asks for does not fit; the
 * message has what would. */
int scorer_new(struct scorer **s, struct program *p, struct pool *pool,
	       const struct scorer_need *need) MUST_CHECK;
void scorer_free(struct scorer *s);

struct feed *scorer_feed(struct scorer *s);
struct kv_cache *scorer_cache(struct scorer *s);        /* NULL: none */
struct program *scorer_program(struct scorer *s);

/* Tokens of a batch at most, with virtual ones: room for nll and hit. */
size_t scorer_room(const struct scorer *s);

/* The last run's error, whose message is the last: a base that comes and goes
 * could not be read, or (E_DATA) a loss or logit is not finite. Numbers are
 * worth nothing then. */
int scorer_failed(const struct scorer *s) MUST_CHECK;

/*
 * Runs what was fed. nll[i] and hit[i] belong to the fed token i: the loss of
 * its target, and whether the target was the likeliest token (of equals, the
 * lowest id); 0 where there is no target. hit may be NULL.
 */
void scorer_run(struct scorer *s, double *nll, unsigned char *hit);

/* Runs what was fed and gives the logits of the last token of every sequence:
 * row i of (nseq, vocab), valid until the next run. nseq <= SCORER_ROWS. */
enum { SCORER_ROWS = 32 };
struct mat scorer_last(struct scorer *s);

/* One sample's losses: nll[i] of token i, n of them, where label[i] counts;
 * the first token's where a soft prompt predicts it, else 0. */
typedef int score_fn(void *ctx, size_t sample, const double *nll, size_t n);

/*
 * All samples, packed into batches. E_DATA: a sample is longer than a batch,
 * or a token is outside the vocabulary.
 */
int score_samples(struct scorer *s, const struct samples *data, score_fn *fn,
		  void *ctx) MUST_CHECK;

#endif
