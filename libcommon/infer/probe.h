/*
 * probe - sixteen tokens through a model, and what a reference run of the same
 * tokens should show
 *
 * The tokens are (1 + 7919 i) mod vocab. docs/families.md has the same in ten
 * lines of Python with transformers.
 */
#ifndef INFER_PROBE_H
#define INFER_PROBE_H

#include "arch/program.h"
#include "base/digest.h"

enum { PROBE_TOKENS = 16, PROBE_VALUES = 3, PROBE_TOP = 5 };

/* Of a layer's states (tokens, hidden), or of those behind the final norm. */
struct probe_state {
	double rms;             /* of all of them */
	float value[PROBE_VALUES]; /* the first of the last token's */
};

struct probe {
	size_t ntoken;          /* 16, or fewer where the model has fewer */
	uint32_t token[PROBE_TOKENS]; /* positions */
	struct probe_state *layer; /* (nlayer), owned */
	size_t nlayer;
	struct probe_state norm;
	size_t top[PROBE_TOP];  /* of the last token's logits, largest first */
	float logit[PROBE_TOP];
	size_t ntop;
	double logsumexp;       /* of all of them */
	char digest[DIGEST_HEX]; /* XXH3-128 of all tokens' logits, in f32 */
};

/* Plans p anew. E_NOMEM, E_DATA: a logit is not finite. Release it also after
 * a failure. */
int probe_run(struct probe *r, struct program *p, struct pool *pool)
	MUST_CHECK;
void probe_release(struct probe *r);

#endif
