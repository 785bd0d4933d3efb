/*
 * sample - from logits to the next token
 *
 * The order is transformers': repetition penalty, temperature, top-k, top-p,
 * then a draw. Temperature 0 takes the likeliest token, of equals the lowest
 * id. A draw is a function of (seed, number of the token): the same on every
 * machine and however many sequences run.
 */
#ifndef INFER_SAMPLE_H
#define INFER_SAMPLE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct sampling {
	double temperature;     /* 0: greedy */
	double top_p;           /* 1: off */
	size_t top_k;           /* 0: off */
	double repetition_penalty; /* 1: off; Keskar et al. 2019 */
	uint64_t seed;
};

/* E_USAGE: a value out of range. */
int sampling_check(const struct sampling *h) MUST_CHECK;

struct sampler;

/* As sampling_check(); E_NOMEM. */
int sampler_new(struct sampler **s, const struct sampling *how,
		size_t vocab) MUST_CHECK;
void sampler_free(struct sampler *s);

/* The next token after seen[0..n), of which it is number `number`; logits
 * (vocab) is overwritten. */
uint32_t sampler_next(struct sampler *s, float *logits, const uint32_t *seen,
		      size_t n, uint64_t number);

#endif
