/*
 * samples - tokenised sequences with their labels, and how they are packed
 *
 * A sample is a sequence of token ids and, for each position, the label: the
 * token itself where it carries loss, -100 where it does not. Position t is
 * predicted from t - 1, so the first label never counts.
 */
#ifndef DATA_SAMPLES_H
#define DATA_SAMPLES_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { LABEL_NONE = -100 };

struct samples {
	size_t n;               /* samples */
	size_t *start;          /* (n + 1) first token of each */
	uint32_t *id;           /* (start[n]) */
	int32_t *label;         /* (start[n]) */
	uint32_t *prompt;       /* (n) number of the soft prompt before each;
				 * NULL: 0 */
	size_t room, token_room, prompt_room;
};

/* Appends one; E_NOMEM. */
int samples_add(struct samples *s, const uint32_t *id, const int32_t *label,
		size_t len) MUST_CHECK;

/* The soft prompt of the sample that was added last. E_NOMEM. */
int samples_prompt(struct samples *s, uint32_t prompt) MUST_CHECK;
void samples_release(struct samples *s);

/* What they take in memory. */
size_t samples_bytes(const struct samples *s);

/* Labels of sample i that count (not the first position's). */
size_t samples_labels(const struct samples *s, size_t i);

/* XXH3-128 of all samples' lengths, ids and labels, in order: the same for the
 * same samples, wherever they came from. E_NOMEM. */
int samples_digest(const struct samples *s,
		   unsigned char digest[16]) MUST_CHECK;

/*
 * A virtual token stands before a sequence's own and has no place in the
 * vocabulary: it is row `row` of soft prompt number `prompt` of those that the
 * model was given (adapt/adapt.h, adapter_front). It has a position as any
 * other, and no label.
 */
enum { VIRTUAL_ROWS = 1 << 16, VIRTUAL_PROMPTS = 1 << 15 };

static inline uint32_t virtual_id(size_t prompt, size_t row)
{
	return (uint32_t)1 << 31 | (uint32_t)prompt << 16 | (uint32_t)row;
}

static inline int virtual_is(uint32_t id)
{
	return id >> 31;
}

static inline size_t virtual_prompt(uint32_t id)
{
	return id >> 16 & (VIRTUAL_PROMPTS - 1);
}

static inline size_t virtual_row(uint32_t id)
{
	return id & (VIRTUAL_ROWS - 1);
}

/*
 * A batch: whole sequences, one after the other, no padding. Positions restart
 * in each, attention stays inside each. What the model and the loss read.
 */
struct batch {
	size_t n, nseq;         /* tokens, sequences */
	const uint32_t *id;     /* (n) tokens, and virtual ones */
	const uint32_t *pos;    /* (n) position in its sequence */
	const size_t *start;    /* (nseq + 1) */
	const uint64_t *sample; /* (nseq) number of the sample: dropout's key */
	const int32_t *target;  /* (n) token to predict at this position: the
				 * label of the next, -100: none */
	size_t ntarget;         /* targets that count */
};

#endif
