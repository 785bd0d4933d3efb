#include "infer/choice.h"

#include <stdlib.h>

#include "base/size.h"

/* Tokens that all sequences begin with, short of the one whose logits are the
 * first to be read. */
static size_t shared_prefix(const struct choice_sequence *seq, size_t n,
			    size_t context)
{
	size_t len = context - 1;

	for (size_t i = 1; i < n; i++) {
		size_t same = 0;

		while (same < len && seq[i].id[same] == seq[0].id[same])
			same++;
		len = same;
	}
	return len;
}

static int check(struct scorer *s, const struct choice_sequence *seq,
		 size_t n, size_t context)
{
	size_t vocab = program_vocab(scorer_program(s));

	if (!n || n > CHOICES)
		return err_set(E_DATA, "%zu choices, at most %d", n, CHOICES);
	for (size_t i = 0; i < n; i++) {
		if (!context || seq[i].n <= context)
			return err_set(E_DATA, "choice %zu adds no token",
				       i + 1);
		if (seq[i].n > scorer_feed(s)->tokens)
			return err_set(E_DATA, "choice %zu: %zu tokens, room "
				       "for %zu", i + 1, seq[i].n,
				       scorer_feed(s)->tokens);
		if (seq[i].n > program_longest(scorer_program(s)))
			return err_set(E_DATA, "choice %zu: %zu tokens, the "
				       "model has positions for %zu", i + 1,
				       seq[i].n,
				       program_longest(scorer_program(s)));
		for (size_t t = 0; t < seq[i].n; t++)
			if (seq[i].id[t] >= vocab)
				return err_set(E_DATA, "token %u, the "
					       "vocabulary has %zu",
					       seq[i].id[t], vocab);
	}
	return 0;
}

/* The tail of one choice behind its prefix, with its targets. */
static void feed_choice(struct scorer *s, const struct choice_sequence *c,
			size_t prefix, size_t context, size_t slot)
{
	struct feed *f = scorer_feed(s);
	size_t at = f->batch.n;

	feed_add(f, c->id + prefix, NULL, c->n - 1 - prefix, prefix, slot);
	for (size_t t = context - 1; t + 1 < c->n; t++)
		f->target[at + t - prefix] = (int32_t)c->id[t + 1];
}

static void sum_up(const struct batch *b, const int32_t *target, size_t i,
		   const double *nll, const unsigned char *hit,
		   struct choice_score *score)
{
	*score = (struct choice_score){ .greedy = 1 };
	for (size_t t = b->start[i]; t < b->start[i + 1]; t++) {
		if (target[t] == LABEL_NONE)
			continue;
		score->loglik -= nll[t];
		score->greedy &= hit[t];
		score->tokens++;
	}
}

/* Choices [0, n) in as few batches as they fit. */
static void run_choices(struct scorer *s, const struct choice_sequence *seq,
			size_t n, size_t prefix, size_t context, double *nll,
			unsigned char *hit, struct choice_score *score)
{
	struct kv_cache *kv = scorer_cache(s);
	struct feed *f = scorer_feed(s);

	for (size_t i = 0, first = 0; i < n; first = i) {
		feed_clear(f, kv);
		for (; i < n && feed_fits(f, seq[i].n - 1 - prefix); i++) {
			kv_cache_fork(kv, i + 1, 0, prefix);
			feed_choice(s, &seq[i], prefix, context, i + 1);
		}
		scorer_run(s, nll, hit);
		for (size_t k = first; k < i; k++)
			sum_up(&f->batch, f->target, k - first, nll, hit,
			       &score[k]);
	}
}

int choice_scores(struct scorer *s, const struct choice_sequence *seq,
		  size_t n, size_t context, struct choice_score *score)
{
	struct kv_cache *kv = scorer_cache(s);
	struct feed *f = scorer_feed(s);
	size_t prefix;
	double *nll;
	unsigned char *hit;

	TRY(check(s, seq, n, context));
	nll = malloc(f->tokens * (sizeof(*nll) + 1));
	if (!nll)
		return err_set(E_NOMEM, "out of memory");
	hit = (unsigned char *)(nll + f->tokens);
	prefix = shared_prefix(seq, n, context);
	kv_cache_truncate(kv, 0, 0);
	if (prefix) {
		feed_clear(f, kv);
		feed_add(f, seq[0].id, NULL, prefix, 0, 0);
		scorer_run(s, nll, hit);
	}
	run_choices(s, seq, n, prefix, context, nll, hit, score);
	free(nll);
	return scorer_failed(s);
}
