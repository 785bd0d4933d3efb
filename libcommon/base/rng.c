#include "base/rng.h"

#include <Random123/philox.h>
#include <math.h>

#include "base/math.h"

/* FNV-1a, 64 bits: names to keys. */
static uint64_t name_hash(const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3;
	return h;
}

struct rng rng_of(uint64_t seed, const char *name)
{
	uint64_t h = name_hash(name);
	philox4x32_ctr_t c = { { (uint32_t)h, (uint32_t)(h >> 32), 0, 0 } };
	philox4x32_key_t k = { { (uint32_t)seed, (uint32_t)(seed >> 32) } };

	c = philox4x32(c, k);
	return (struct rng){ { c.v[0], c.v[1] }, 0, 0 };
}

struct rng rng_at(struct rng r, uint32_t high, uint32_t high2)
{
	r.high = high;
	r.high2 = high2;
	return r;
}

void rng_words(struct rng r, uint64_t index, uint32_t word[4])
{
	philox4x32_ctr_t c = { { (uint32_t)index, (uint32_t)(index >> 32),
				 r.high, r.high2 } };
	philox4x32_key_t k = { { r.key[0], r.key[1] } };

	c = philox4x32(c, k);
	for (int i = 0; i < 4; i++)
		word[i] = c.v[i];
}

float rng_uniform(struct rng r, uint64_t index)
{
	uint32_t w[4];

	rng_words(r, index / 4, w);
	return (float)(w[index % 4] >> 8) * 0x1p-24f;
}

uint64_t rng_below(struct rng r, uint64_t index, uint64_t n)
{
	uint32_t w[4];
	uint64_t x;
	uint64_t most = UINT64_MAX - UINT64_MAX % n;

	/* A draw from the ragged end is repeated with the other two words,
	 * then with words nobody else reads. */
	for (uint32_t turn = 0;; turn++) {
		rng_words(rng_at(r, r.high, r.high2 + (turn << 16)), index, w);
		x = (uint64_t)w[1] << 32 | w[0];
		if (x < most)
			return x % n;
		x = (uint64_t)w[3] << 32 | w[2];
		if (x < most)
			return x % n;
	}
}

float rng_normal(struct rng r, uint64_t index)
{
	uint32_t w[4];
	double u, v, radius;

	rng_words(r, index / 2, w);
	u = ((double)w[0] + 1) * 0x1p-32; /* (0, 1] */
	v = (double)w[1] * 0x1p-32;
	radius = sqrt(-2 * math_log64(u));
	v *= 6.283185307179586476925286766559;
	return (float)(radius * (index % 2 ? math_sin64(v) : math_cos64(v)));
}
