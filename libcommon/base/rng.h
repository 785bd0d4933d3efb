/*
 * rng - random numbers by counter: Philox4x32-10 (Salmon et al. 2011), from
 * Random123
 *
 * A number is a function of a key and an index and of nothing else, so it does
 * not matter in which order, on how many threads, or after which restart it
 * is drawn. A key is a seed and a name ("model.layers.3.q_proj.lora_A").
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
	uint32_t key[2];
	uint32_t high;          /* third word of the counter */
	uint32_t high2;         /* fourth */
};

/* A generator for this seed and name. */
struct rng rng_of(uint64_t seed, const char *name);

/* As above for numbers that are words already: a step, a sample. */
struct rng rng_at(struct rng r, uint32_t high, uint32_t high2);

/* The four words number index. */
void rng_words(struct rng r, uint64_t index, uint32_t word[4]);

/* Number index of the generator: uniform in [0, 1), a multiple of 2^-24. */
float rng_uniform(struct rng r, uint64_t index);

/* Uniform in [0, n), without bias; n > 0. */
uint64_t rng_below(struct rng r, uint64_t index, uint64_t n);

/* Standard normal (Box-Muller with base/math.h). */
float rng_normal(struct rng r, uint64_t index);

#endif
