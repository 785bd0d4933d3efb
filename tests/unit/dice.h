/* dice - random choices for tests, the same in every run */
#ifndef UNIT_DICE_H
#define UNIT_DICE_H

#include "base/rng.h"

struct dice {
	struct rng rng;
	uint64_t at;
};

static inline size_t roll(struct dice *d, size_t n)
{
	return (size_t)rng_below(d->rng, d->at++, n);
}

#endif
