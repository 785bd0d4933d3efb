/*
 * feed - a batch that is filled one sequence at a time
 *
 * Room for so many tokens and sequences is taken once; adding what does not
 * fit is the caller's mistake. Where the program has soft prompts, one's
 * virtual tokens go before a sequence that begins, and have room of their own:
 * the counts here and positions that callers give are without them.
 */
#ifndef INFER_FEED_H
#define INFER_FEED_H

#include "arch/program.h"

struct feed {
	struct batch batch;
	struct program_pass pass;       /* over the batch */
	uint32_t *id, *pos;
	size_t *start, *slot;
	uint64_t *sample;
	int32_t *target;
	size_t tokens, sequences;       /* room */
	const struct program *program;
	size_t prompt;                  /* number of the soft prompt of those
					 * that are added from now on */
	size_t own;                     /* tokens that are not virtual */
};

/* For batches of program, or of several without soft prompts: NULL. E_NOMEM. */
int feed_init(struct feed *f, const struct program *program, size_t tokens,
	      size_t sequences) MUST_CHECK;
void feed_release(struct feed *f);      /* safe on a zeroed struct */

/* Empties it; kv may be NULL. */
void feed_clear(struct feed *f, struct kv_cache *kv);

int feed_fits(const struct feed *f, size_t tokens);

/*
 * Adds a sequence of n tokens, the first at position first (which is what the
 * cache's slot holds already). target[i] is to be predicted at token i, -100:
 * nothing; NULL: nothing at all. Returns where in the batch the first token
 * stands.
 */
size_t feed_add(struct feed *f, const uint32_t *id, const int32_t *target,
		size_t n, size_t first, size_t slot);

/* Tokens that a batch may have, with virtual ones. */
size_t feed_room(const struct program *program, size_t tokens,
		 size_t sequences);

#endif
