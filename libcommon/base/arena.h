/*
 * arena - memory asked for once and freed all at once
 *
 * Sizes are planned first, with arena_plan() adding up what arena_get() will
 * be asked for; then nothing can fail. Blocks are 64-byte aligned and zeroed.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/err.h"

#include <stddef.h>

enum { ARENA_ALIGN = 64 };

struct arena {
	unsigned char *base;
	size_t size, used;
};

/* Adds the room that one arena_get(, bytes) takes to *total. */
void arena_plan(size_t *total, size_t bytes);

/* E_NOMEM. Memory comes in zeroed pages; large ones are asked for. */
int arena_init(struct arena *a, size_t size) MUST_CHECK;

/* Never fails: that it fits was planned, and is asserted. */
void *arena_get(struct arena *a, size_t bytes);

/* Forgets all blocks that were got since mark = a->used. Their bytes stay as
 * they are: the next to get them finds them dirty. */
void arena_reset(struct arena *a, size_t mark);

/* Safe on a zeroed struct. */
void arena_release(struct arena *a);

#endif
