#include "infer/decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

/* Runs all of the prompt; the logits of its last token. */
static struct mat run_prompt(struct scorer *s, const uint32_t *id, size_t n)
{
	struct feed *f = scorer_feed(s);
	struct mat logits = { 0 };

	for (size_t at = 0; at < n;) {
		size_t part = size_min(n - at, f->tokens);

		feed_clear(f, scorer_cache(s));
		feed_add(f, id + at, NULL, part, at, 0);
		at += part;
		if (at < n)
			(void)program_forward(scorer_program(s), &f->pass);
		else
			logits = scorer_last(s);
	}
	return logits;
}

static int is_stop(const struct decode_need *need, uint32_t id)
{
	for (size_t i = 0; i < need->nstop; i++)
		if (need->stop[i] == id)
			return 1;
	return 0;
}

static int check(struct scorer *s, const uint32_t *prompt, size_t n)
{
	size_t vocab = program_vocab(scorer_program(s));

	if (!n)
		return err_set(E_DATA, "the prompt is empty");
	if (n > program_longest(scorer_program(s)))
		return err_set(E_DATA, "a prompt of %zu tokens, the model has "
			       "positions for %zu", n,
			       program_longest(scorer_program(s)));
	for (size_t i = 0; i < n; i++)
		if (prompt[i] >= vocab)
			return err_set(E_DATA, "token %u, the vocabulary has "
				       "%zu", prompt[i], vocab);
	return 0;
}

int decode(struct scorer *s, struct sampler *sampler, const uint32_t *prompt,
	   size_t n, const struct decode_need *need, decode_fn *fn, void *ctx)
{
	struct feed *f = scorer_feed(s);
	struct mat logits;
	uint32_t *all;
	int err = 0;

	TRY(check(s, prompt, n));
	all = malloc((n + need->most) * sizeof(*all));
	if (!all)
		return err_set(E_NOMEM, "out of memory");
	memcpy(all, prompt, n * sizeof(*all));
	kv_cache_truncate(scorer_cache(s), 0, 0);
	for (size_t i = 0; i < need->most && !err; i++, n++) {
		if (i && n > program_longest(scorer_program(s)))
			break;
		if (i) {
			feed_clear(f, scorer_cache(s));
			feed_add(f, &all[n - 1], NULL, 1, n - 1, 0);
			logits = scorer_last(s);
		} else {
			logits = run_prompt(s, prompt, n);
		}
		err = scorer_failed(s);
		if (err)
			break;
		all[n] = sampler_next(sampler, logits.at, all, n, i);
		err = fn(ctx, all[n], is_stop(need, all[n]));
		if (is_stop(need, all[n]))
			break;
	}
	free(all);
	return err;
}
