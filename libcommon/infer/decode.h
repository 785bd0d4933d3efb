/*
 * decode - writing on from a prompt, token by token, with a key-value cache
 */
#ifndef INFER_DECODE_H
#define INFER_DECODE_H

#include "infer/sample.h"
#include "infer/score.h"

struct decode_need {
	const uint32_t *stop;   /* tokens that end the text */
	size_t nstop;
	size_t most;            /* tokens to write at most */
};

/* Called with each new token (the stop token too); not 0: end here. */
typedef int decode_fn(void *ctx, uint32_t id, int is_stop);

/*
 * Continues prompt (n >= 1 tokens), which is run in batches of what the
 * scorer takes; its cache (one slot) needs room for n + most tokens. Returns
 * what fn returned, or 0. E_DATA: too long, or a token outside the
 * vocabulary.
 */
int decode(struct scorer *s, struct sampler *sampler, const uint32_t *prompt,
	   size_t n, const struct decode_need *need, decode_fn *fn,
	   void *ctx) MUST_CHECK;

/* One of several texts that are written at once. */
struct decode_request {
	const uint32_t *prompt; /* (n) */
	size_t n;
	size_t front;           /* number of the soft prompt before it */
	uint32_t *id;           /* (need.most) out: what was written, without
				 * the stop token ... */
	size_t nid;             /* ... so many */
	uint32_t last;          /* where it stands */
	int ended;
};

/*
 * decode() for count requests in one batch, each in its own slot of the cache:
 * what one gets does not depend on the others. At most SCORER_ROWS, and as many
 * as the scorer has slots and sequences. All draw from the same random numbers,
 * each by its own steps.
 */
int decode_many(struct scorer *s, struct sampler *sampler,
		struct decode_request *r, size_t count,
		const struct decode_need *need) MUST_CHECK;

#endif
