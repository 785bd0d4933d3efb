/*
 * merge_check - merge-adapter's -m and --verify
 *
 * The two models of --verify lie in pages, which go to a file without a name
 * when they exceed their share of -m.
 */
#ifndef TOOLS_MERGE_CHECK_H
#define TOOLS_MERGE_CHECK_H

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "formats/base_pages.h"
#include "formats/data_files.h"
#include "infer/verify.h"
#include "tools/merge_adapter.h"

struct merge_keep {
	struct verify *verify;
	struct base_pages *pages[2];    /* before, after */
};

/* The most that a tensor takes: as it came, merged in f32 and as it is written;
 * or, for --verify, which leaves three quarters to it, twice and in a page. */
struct merge_size {
	uint64_t bytes;
	char name[TENSOR_NAME];
};

/* Keeps the larger one. What is passed on is in memory for --verify only. */
static inline void merge_note(struct merge_size *most, const struct tensor *t,
			      int merged)
{
	uint64_t bytes = tensor_bytes(t), need = verify ? 3 * bytes : 0;

	if (merged)
		need = bytes + 2 * sizeof(float) * t->count;
	if (verify)
		need += need / 3;
	if (need <= most->bytes)
		return;
	most->bytes = need;
	snprintf(most->name, sizeof(most->name), "%s", t->name);
}

static inline int merge_fits(const struct merge_size *s)
{
	if (opt_common.memory && s->bytes > opt_common.memory)
		return err_set(E_NOMEM, "%s takes %llu MiB, there are %llu",
			       s->name, (unsigned long long)size_mib(s->bytes),
			       (unsigned long long)(opt_common.memory >> 20));
	return 0;
}

static inline int merge_fits_one(const struct tensor *t, int merged)
{
	struct merge_size size = { 0 };

	merge_note(&size, t, merged);
	return merge_fits(&size);
}

static inline int merge_keep_take(void *ctx, const struct tensor_set *set,
				  struct tensor *t)
{
	struct merge_keep *k = ctx;

	return base_pages_wants(t) ?
	       base_pages_keep(k->pages[set == &k->verify->after], t) : 0;
}

static inline void merge_keep_drop(struct base_pages *b, struct tensor_set *s)
{
	for (size_t i = 0; b && i < s->n; i++)
		base_pages_forget(b, &s->at[i]);
	base_pages_free(b);
}

/* Safe on zeroed structs. */
static inline void merge_keep_release(struct merge_keep *k, struct verify *v)
{
	merge_keep_drop(k->pages[0], &v->before);
	merge_keep_drop(k->pages[1], &v->after);
	memset(k, 0, sizeof(*k));
	verify_release(v);
}

/* An eighth of the budget for each model while it comes in. */
static inline int merge_keep_begin(struct merge_keep *k, struct verify *v)
{
	merge_keep_release(k, v);
	if (!opt_common.memory || !verify)
		return 0;
	k->verify = v;
	for (int i = 0; i < 2; i++)
		TRY(base_pages_new(&k->pages[i], opt_common.memory / 8 + 1));
	v->keep = merge_keep_take;
	v->keep_ctx = k;
	v->memory = opt_common.memory;
	return 0;
}

static inline void merge_keep_end(struct merge_keep *k, struct verify *v)
{
	struct tensor_set *set[] = { &v->before, &v->after };

	for (int i = 0; i < 2; i++) {
		if (!k->pages[i])
			continue;
		set[i]->lend = base_pages_lend;
		set[i]->lend_ctx = k->pages[i];
		set[i]->pages = base_pages_owner(k->pages[i]);
	}
}

static inline int merge_compare(struct verify *v, struct merger *m,
				struct pool *pool)
{
	struct samples samples = { 0 };
	int err = data_files_of(&samples, data.at, data.n, &v->before);

	if (!err)
		err = verify_run(v, m, &samples, verify, seed, pool);
	samples_release(&samples);
	return err ? err_at(err, "--verify") : 0;
}

/* exact: nothing was rounded, so that no logit may be far off either. */
static inline int merge_agrees(const struct comparison *c, double most,
			       int exact)
{
	if (!(c->rms <= most))
		return err_set(E_NO, "the merged model differs: relative RMS "
			       "of the logits %.3g, want at most %.3g",
			       c->rms, most);
	if (exact && !(c->relative <= most))
		return err_set(E_NO, "the merged model differs: a logit by "
			       "%.3g of its position's largest, want at most "
			       "%.3g", c->relative, most);
	return 0;
}

static inline int merge_check(struct verify *v, struct merge_keep *k,
			      struct merger *m, struct report *report,
			      struct pool *pool)
{
	const struct comparison *c = &v->result;
	char text[COMPARISON_TEXT];
	double most = tolerance;
	json_t *line;

	merge_keep_end(k, v);
	if (!(most > 0))
		TRY(verify_tolerance(&most, v, requantise));
	TRY(merge_compare(v, m, pool));
	if (!opt_common.quiet)
		fprintf(stderr, "%s: %s\n", program.name,
			comparison_text(text, c));
	TRY(comparison_json(&line, c));
	TRY(report_line(report, line));
	return merge_agrees(c, most, !(tolerance > 0) && most <= VERIFY_EXACT);
}

#endif
