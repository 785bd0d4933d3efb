#include "infer/decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

/* Runs all of the prompt in slot; the logits of its last token. */
static struct mat run_prompt(struct scorer *s, size_t slot, const uint32_t *id,
			     size_t n)
{
	struct feed *f = scorer_feed(s);
	struct mat logits = { 0 };

	for (size_t at = 0; at < n;) {
		size_t part = size_min(n - at, f->tokens);

		feed_clear(f, scorer_cache(s));
		feed_add(f, id + at, NULL, part, at, slot);
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
			logits = run_prompt(s, 0, prompt, n);
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

/* ---- several at once ---- */

/* The sampler looks at all that was written, so it is kept together. */
struct text {
	uint32_t *at;
	size_t n;
};

struct many {
	struct scorer *s;
	struct sampler *sampler;
	struct decode_request *r;
	const struct decode_need *need;
	struct text text[SCORER_ROWS];
};

/* Takes the next token of request i from its logits. */
static void take(struct many *m, size_t i, float *logits)
{
	struct decode_request *r = &m->r[i];
	struct text *t = &m->text[i];

	r->last = sampler_next(m->sampler, logits, t->at, t->n, r->nid);
	t->at[t->n++] = r->last;
	r->ended = is_stop(m->need, r->last);
	if (!r->ended)
		r->id[r->nid++] = r->last;
	r->ended |= r->nid == m->need->most ||
		    t->n > program_longest(scorer_program(m->s));
}

/* A step of all that go on; how many, 0 after a failure. */
static size_t step(struct many *m, size_t count)
{
	struct feed *f = scorer_feed(m->s);
	size_t row[SCORER_ROWS], n = 0;
	struct mat logits;

	feed_clear(f, scorer_cache(m->s));
	for (size_t i = 0; i < count; i++) {
		if (m->r[i].ended)
			continue;
		f->prompt = m->r[i].front;
		feed_add(f, &m->r[i].last, NULL, 1, m->text[i].n - 1, i);
		row[n++] = i;
	}
	if (!n)
		return 0;
	logits = scorer_last(m->s);
	if (scorer_failed(m->s))
		return 0;
	for (size_t k = 0; k < n; k++)
		take(m, row[k], mat_row(logits, k));
	return n;
}

static int begin(struct many *m, size_t i)
{
	struct decode_request *r = &m->r[i];
	struct text *t = &m->text[i];
	struct mat logits;

	r->nid = 0;
	r->ended = !m->need->most;
	scorer_feed(m->s)->prompt = r->front;
	TRY(check(m->s, r->prompt, r->n));
	t->at = malloc((r->n + m->need->most + 1) * sizeof(*t->at));
	if (!t->at)
		return err_set(E_NOMEM, "out of memory");
	memcpy(t->at, r->prompt, r->n * sizeof(*t->at));
	t->n = r->n;
	kv_cache_truncate(scorer_cache(m->s), i, 0);
	if (r->ended)
		return 0;
	logits = run_prompt(m->s, i, r->prompt, r->n);
	TRY(scorer_failed(m->s));
	take(m, i, logits.at);
	return 0;
}

int decode_many(struct scorer *s, struct sampler *sampler,
		struct decode_request *r, size_t count,
		const struct decode_need *need)
{
	struct many m = { s, sampler, r, need, { { 0 } } };
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = begin(&m, i);
	while (!err && step(&m, count))
		;
	if (!err)
		err = scorer_failed(s);
	for (size_t i = 0; i < count; i++)
		free(m.text[i].at);
	return err;
}
