#include "infer/sample.h"

#include <stdlib.h>

#include "base/math.h"
#include "base/rng.h"

struct candidate {
	float logit;
	uint32_t id;
};

struct sampler {
	struct sampling how;
	size_t vocab;
	struct rng rng;
	struct candidate *best; /* (vocab) */
	unsigned char *seen;    /* (vocab) */
};

int sampling_check(const struct sampling *h)
{
	if (!(h->temperature >= 0))
		return err_set(E_USAGE, "temperature %g, want 0 or more",
			       h->temperature);
	if (!(h->top_p > 0 && h->top_p <= 1))
		return err_set(E_USAGE, "top-p %g, want 0 < p <= 1", h->top_p);
	if (!(h->repetition_penalty > 0))
		return err_set(E_USAGE, "repetition penalty %g, want more "
			       "than 0", h->repetition_penalty);
	return 0;
}

int sampler_new(struct sampler **out, const struct sampling *how,
		size_t vocab)
{
	struct sampler *s;

	*out = NULL;
	TRY(sampling_check(how));
	s = calloc(1, sizeof(*s));
	if (s) {
		s->best = calloc(vocab, sizeof(*s->best));
		s->seen = calloc(vocab, 1);
	}
	if (!s || !s->best || !s->seen) {
		sampler_free(s);
		return err_set(E_NOMEM, "out of memory");
	}
	s->how = *how;
	s->vocab = vocab;
	s->rng = rng_of(how->seed, "sample");
	*out = s;
	return 0;
}

void sampler_free(struct sampler *s)
{
	if (!s)
		return;
	free(s->best);
	free(s->seen);
	free(s);
}

static void penalise(struct sampler *s, float *logits, const uint32_t *seen,
		     size_t n)
{
	float p = (float)s->how.repetition_penalty;

	for (size_t i = 0; i < n; i++) {
		if (s->seen[seen[i]])
			continue;
		s->seen[seen[i]] = 1;
		logits[seen[i]] = logits[seen[i]] < 0 ? logits[seen[i]] * p
						      : logits[seen[i]] / p;
	}
	for (size_t i = 0; i < n; i++)
		s->seen[seen[i]] = 0;
}

static uint32_t likeliest(const float *logits, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (logits[i] > logits[best])
			best = i;
	return (uint32_t)best;
}

/* Largest logit first, of equals the lowest id. */
static int by_logit(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->logit != y->logit)
		return x->logit < y->logit ? 1 : -1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* The probabilities of s->best in their order, not normalised: p[i] goes to
 * logit's place. Returns how many of them top-p leaves; *sum is theirs. */
static size_t cut_by_p(struct sampler *s, size_t n, double *sum)
{
	float top = s->best[0].logit;
	double all = 0, part = 0;
	size_t keep = 0;

	for (size_t i = 0; i < n; i++) {
		s->best[i].logit = math_exp(s->best[i].logit - top);
		all += s->best[i].logit;
	}
	while (keep < n && (!keep || part < s->how.top_p * all))
		part += s->best[keep++].logit;
	*sum = part;
	return keep;
}

uint32_t sampler_next(struct sampler *s, float *logits, const uint32_t *seen,
		      size_t n, uint64_t number)
{
	float scale;
	double sum, u;
	size_t keep;

	if (s->how.repetition_penalty != 1)
		penalise(s, logits, seen, n);
	if (s->how.temperature == 0)
		return likeliest(logits, s->vocab);
	scale = (float)(1 / s->how.temperature);
	for (size_t i = 0; i < s->vocab; i++)
		s->best[i] = (struct candidate){ logits[i] * scale,
						 (uint32_t)i };
	qsort(s->best, s->vocab, sizeof(*s->best), by_logit);
	keep = s->vocab;
	if (s->how.top_k && s->how.top_k < keep)
		keep = s->how.top_k;
	keep = cut_by_p(s, keep, &sum);
	u = (double)rng_uniform(s->rng, number) * sum;
	for (size_t i = 0; i + 1 < keep; i++) {
		u -= s->best[i].logit;
		if (u < 0)
			return s->best[i].id;
	}
	return s->best[keep - 1].id;
}
