#include "data/split.h"

#include <stdlib.h>

#include "base/digest.h"
#include "base/rng.h"

int split_holds(uint64_t seed, double part, const uint32_t *id, size_t n)
{
	struct rng r = rng_of(seed, "split");
	uint32_t word[4];

	rng_words(r, digest_64(id, n * sizeof(*id)), word);
	return word[0] * 0x1p-32 + word[1] * 0x1p-64 < part;
}

static int copy(struct samples *to, const struct samples *from, size_t i)
{
	size_t first = from->start[i];

	return samples_add(to, from->id + first, from->label + first,
			   from->start[i + 1] - first);
}

int samples_split(struct samples *s, struct samples *held, uint64_t seed,
		  double part)
{
	struct samples kept = { 0 };
	size_t before = held->n;
	int err = 0;

	for (size_t i = 0; i < s->n && !err; i++) {
		size_t first = s->start[i];
		int out = split_holds(seed, part, s->id + first,
				      s->start[i + 1] - first);

		err = copy(out ? held : &kept, s, i);
	}
	if (!err && (!kept.n || held->n == before))
		err = err_set(E_DATA, "--split %g of %zu samples leaves none "
			      "to %s", part, s->n,
			      kept.n ? "measure on" : "train on");
	if (err) {
		samples_release(&kept);
		return err;
	}
	samples_release(s);
	*s = kept;
	return 0;
}

int samples_shuffle(struct samples *s, uint64_t seed)
{
	struct rng r = rng_of(seed, "tokenize shuffle");
	struct samples to = { 0 };
	size_t *order = malloc(s->n * sizeof(*order) + 1);
	int err = 0;

	if (!order)
		return err_set(E_NOMEM, "no memory to shuffle");
	for (size_t i = 0; i < s->n; i++) {
		size_t k = (size_t)rng_below(r, i, i + 1);

		order[i] = i;
		order[i] = order[k];
		order[k] = i;
	}
	for (size_t i = 0; i < s->n && !err; i++)
		err = copy(&to, s, order[i]);
	free(order);
	if (err) {
		samples_release(&to);
		return err;
	}
	samples_release(s);
	*s = to;
	return 0;
}
